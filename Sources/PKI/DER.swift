/// A cursor over DER (X.690): takes one element after the other from a range of bytes that are not copied.
///
/// Every length is checked against what is there; indefinite and needlessly long lengths are refused, as DER has it. Numbers of tags
/// above 30 are refused, too: no certificate has any.
struct DER {
    private let bytes: [UInt8]
    private var position: Int
    private let end: Int

    /// The tags of the elements that certificates and keys are made of.
    enum Tag {
        static let boolean: UInt8 = 0x01
        static let integer: UInt8 = 0x02
        static let bitString: UInt8 = 0x03
        static let octetString: UInt8 = 0x04
        static let objectIdentifier: UInt8 = 0x06
        static let utcTime: UInt8 = 0x17
        static let generalizedTime: UInt8 = 0x18
        static let sequence: UInt8 = 0x30
        /// `[number]` around other elements.
        static func explicit(_ number: UInt8) -> UInt8 { 0xA0 | number }
        /// `[number]` in the place of a primitive tag.
        static func implicit(_ number: UInt8) -> UInt8 { 0x80 | number }
    }

    /// It is not DER, or not what was expected.
    struct Malformed: Error {}

    /// One element: its tag, and where its contents and the whole of it lie.
    struct Element {
        let tag: UInt8
        let contents: Range<Int>
        let whole: Range<Int>
    }

    init(_ bytes: [UInt8]) { self.init(bytes, 0..<bytes.count) }

    init(_ bytes: [UInt8], _ range: Range<Int>) {
        (self.bytes, position, end) = (bytes, range.lowerBound, range.upperBound)
    }

    var isAtEnd: Bool { position == end }

    /// The tag of the next element; nil at the end.
    var nextTag: UInt8? { position < end ? bytes[position] : nil }

    /// Takes the next element, whatever it is.
    mutating func take() throws(Malformed) -> Element {
        let start = position
        guard end - position >= 2 else { throw Malformed() }
        let tag = bytes[position]
        guard tag & 0x1F != 0x1F else { throw Malformed() }
        var length = Int(bytes[position + 1])
        position += 2
        if length >= 0x80 {
            let count = length & 0x7F
            guard (1...4).contains(count), end - position >= count, bytes[position] != 0 else { throw Malformed() }
            length = 0
            for _ in 0..<count {
                length = length << 8 | Int(bytes[position])
                position += 1
            }
            guard length >= 0x80 else { throw Malformed() }
        }
        guard end - position >= length else { throw Malformed() }
        let contents = position..<position + length
        position += length
        return Element(tag: tag, contents: contents, whole: start..<position)
    }

    /// Takes the next element, which has to have this tag.
    mutating func take(_ tag: UInt8) throws(Malformed) -> Element {
        let element = try take()
        guard element.tag == tag else { throw Malformed() }
        return element
    }

    /// Takes the next element if it has this tag.
    mutating func takeOptional(_ tag: UInt8) throws(Malformed) -> Element? {
        nextTag == tag ? try take() : nil
    }

    /// A cursor over what an element contains.
    func inside(_ element: Element) -> DER { DER(bytes, element.contents) }

    /// Takes the next element, which has to be a SEQUENCE, and gives a cursor over it.
    mutating func sequence() throws(Malformed) -> DER { inside(try take(Tag.sequence)) }

    /// The contents of an element.
    func octets(_ element: Element) -> ArraySlice<UInt8> { bytes[element.contents] }

    /// The whole of an element, with its tag and length.
    func encoding(_ element: Element) -> ArraySlice<UInt8> { bytes[element.whole] }

    /// A BIT STRING's bytes; one that does not end with a byte is refused.
    func bits(_ element: Element) throws(Malformed) -> ArraySlice<UInt8> {
        guard element.tag == Tag.bitString, bytes[element.contents].first == 0 else { throw Malformed() }
        return bytes[element.contents].dropFirst()
    }
}
