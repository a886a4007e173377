/// A question to a DNS server and what its answer says (RFC 1035 §4), as far as addresses, CAA and challenges need it.
package enum DNSMessage {
    package enum Kind: UInt16, Sendable {
        case a = 1
        case ns = 2
        case cname = 5
        case txt = 16
        case aaaa = 28
        /// RFC 8659.
        case caa = 257
    }

    /// A record's type and its data.
    package struct Record: Equatable, Sendable {
        package let type: UInt16
        package let data: [UInt8]
        /// Whose record it is, in lower case; nil where the name cannot be read.
        package var owner: String?
        /// The name that the data is, as in NS and CNAME records: in lower case. Nil for other records.
        package var target: String?

        package init(type: UInt16, data: [UInt8], owner: String? = nil, target: String? = nil) {
            (self.type, self.data, self.owner, self.target) = (type, data, owner, target)
        }

        /// The text of a TXT record: its strings, one after the other (RFC 8555 §8.4 allows for several).
        package var text: String {
            var (bytes, rest): ([UInt8], ArraySlice<UInt8>) = ([], data[...])
            while let length = rest.popFirst() {
                bytes += rest.prefix(Int(length))
                rest = rest.dropFirst(Int(length))
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    package struct Answer: Equatable, Sendable {
        /// 0 is no error, 2 a failure of the server's, 3 that there is no such name.
        package let code: UInt8
        /// Whether the answer was longer than the packet.
        package let isTruncated: Bool
        package let records: [Record]

        package init(code: UInt8, isTruncated: Bool, records: [Record]) {
            (self.code, self.isTruncated, self.records) = (code, isTruncated, records)
        }

        /// The records of a kind.
        package func records(_ kind: Kind) -> [Record] { records.filter { $0.type == kind.rawValue } }
    }

    /// More than any answer that is looked at here needs, and small enough for every path (RFC 9715).
    package static let largestPacket: UInt16 = 1232

    /// A query with an OPT record; nil for what is no DNS name.
    ///
    /// - Parameter isRecursive: whether the server is to ask others; an authoritative one is not.
    package static func query(_ name: String, _ kind: Kind, id: UInt16, isRecursive: Bool = true) -> [UInt8]? {
        var bytes = word(id) + [isRecursive ? 0x01 : 0x00, 0x00] + word(1) + word(0) + word(0) + word(1)
        for label in name.split(separator: ".") {
            guard (1...63).contains(label.utf8.count) else { return nil }
            bytes += [UInt8(label.utf8.count)] + label.utf8
        }
        guard bytes.count > 12, bytes.count <= 12 + 254 else { return nil }
        bytes += [0] + word(kind.rawValue) + word(1)
        return bytes + [0] + word(41) + word(largestPacket) + [0, 0, 0, 0, 0, 0]
    }

    /// Reads a response; nil for one that is malformed or to another query.
    package static func answer(_ bytes: [UInt8], to id: UInt16) -> Answer? {
        var reader = Reader(bytes: bytes)
        guard reader.word() == id, let flags = reader.word(), flags & 0x8000 != 0, let questions = reader.word(),
            let answers = reader.word(), reader.skip(4)
        else { return nil }
        for _ in 0..<questions { guard reader.skipName(), reader.skip(4) else { return nil } }
        var records: [Record] = []
        for _ in 0..<answers {
            let owner = reader.name(at: reader.position)
            guard reader.skipName(), let type = reader.word(), reader.skip(6), let length = reader.word() else {
                return nil
            }
            let start = reader.position
            guard let data = reader.take(Int(length)) else { return nil }
            let isName = [Kind.ns.rawValue, Kind.cname.rawValue].contains(type)
            records.append(
                Record(type: type, data: data, owner: owner, target: isName ? reader.name(at: start) : nil))
        }
        return Answer(code: UInt8(flags & 0x0F), isTruncated: flags & 0x0200 != 0, records: records)
    }

    private static func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xFF)] }

    private struct Reader {
        let bytes: [UInt8]
        private(set) var position = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        mutating func take(_ count: Int) -> [UInt8]? {
            guard position + count <= bytes.count else { return nil }
            defer { position += count }
            return Array(bytes[position..<position + count])
        }

        mutating func skip(_ count: Int) -> Bool { take(count) != nil }

        mutating func word() -> UInt16? { take(2).map { UInt16($0[0]) << 8 | UInt16($0[1]) } }

        /// Labels up to a zero, or to a pointer to some other place, which ends the name here.
        mutating func skipName() -> Bool {
            while let length = take(1)?[0] {
                if length == 0 { return true }
                if length & 0xC0 == 0xC0 { return skip(1) }
                guard length & 0xC0 == 0, skip(Int(length)) else { return false }
            }
            return false
        }

        /// More pointers than a message of this size has any use for: they may lead in a circle.
        private static let mostPointers = 64

        /// The name at a place, with its pointers followed (RFC 1035 §4.1.4); in lower case, without the last dot.
        func name(at start: Int) -> String? {
            var (labels, place, pointers): ([String], Int, Int) = ([], start, 0)
            while place < bytes.count {
                let length = Int(bytes[place])
                if length == 0 { return labels.joined(separator: ".").lowercased() }
                if length & 0xC0 == 0xC0 {
                    pointers += 1
                    guard place + 1 < bytes.count, pointers <= Reader.mostPointers else { return nil }
                    place = (length & 0x3F) << 8 | Int(bytes[place + 1])
                    continue
                }
                guard length & 0xC0 == 0, place + length < bytes.count else { return nil }
                let label = bytes[place + 1...place + length]
                // Whatever else a label may hold, no name that is looked up here has it.
                guard label.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ".") }) else { return nil }
                labels.append(String(decoding: label, as: UTF8.self))
                place += length + 1
            }
            return nil
        }
    }
}
