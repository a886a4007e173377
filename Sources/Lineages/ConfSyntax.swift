/// A piece of a file; its indices are those of the whole file.
typealias ConfText = ArraySlice<Unicode.Scalar>

extension Unicode.Scalar {
    /// Whether Python's `str.strip` and its `\s` take this for white space.
    ///
    /// That is more than ASCII: U+001C to U+001F, U+0085, U+00A0, U+2028 and the like. None of these ends a line.
    var isConfSpace: Bool {
        switch value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    var isQuote: Bool { self == "\"" || self == "'" }
}

extension ConfText {
    /// The first index from `index` on that holds no white space, or the end.
    func skippingSpace(from index: Int) -> Int {
        var index = index
        while index < endIndex, self[index].isConfSpace { index += 1 }
        return index
    }

    /// `index`, moved back over white space before it, but not below `limit`.
    func trimmingSpace(before index: Int, notBelow limit: Int) -> Int {
        var index = index
        while index > limit, self[index - 1].isConfSpace { index -= 1 }
        return index
    }

    /// The first index of `scalar` from `index` on.
    func position(of scalar: Unicode.Scalar, from index: Int) -> Int? {
        var index = index
        while index < endIndex {
            if self[index] == scalar { return index }
            index += 1
        }
        return nil
    }

    /// Whether nothing but white space and a comment is left from `index` on.
    func onlyCommentFollows(_ index: Int) -> Bool {
        let next = skippingSpace(from: index)
        return next == endIndex || self[next] == "#"
    }

    /// Without the white space at both ends, as `str.strip` has it.
    var trimmed: ConfText {
        let start = skippingSpace(from: startIndex)
        return self[start..<trimmingSpace(before: endIndex, notBelow: start)]
    }

    var string: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        for scalar in self {
            if scalar.isASCII {
                bytes.append(UInt8(truncatingIfNeeded: scalar.value))
            } else {
                bytes += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A key or the name of a section, compared byte by byte.
///
/// Swift takes `é` in its two spellings for one string; ConfigObj does not.
struct ConfName: Hashable, Sendable {
    let text: String

    init(_ text: String) { self.text = text }

    static func == (one: ConfName, other: ConfName) -> Bool {
        // Swift's own comparison is fast, and tells most names apart.
        one.text == other.text && one.text.utf8.elementsEqual(other.text.utf8)
    }

    /// What is equal byte by byte is equal to Swift, too.
    func hash(into hasher: inout Hasher) { hasher.combine(text) }
}
