/// A question to a DNS server and what its answer says (RFC 1035 §4), as far as addresses and CAA need it.
enum DNSMessage {
    enum Kind: UInt16, Sendable {
        case a = 1
        case cname = 5
        case aaaa = 28
        /// RFC 8659.
        case caa = 257
    }

    /// A record's type and its data.
    struct Record: Equatable, Sendable {
        let type: UInt16
        let data: [UInt8]
    }

    struct Answer: Equatable, Sendable {
        /// 0 is no error, 2 a failure of the server's, 3 that there is no such name.
        let code: UInt8
        /// Whether the answer was longer than the packet.
        let isTruncated: Bool
        let records: [Record]
    }

    /// More than any answer that is looked at here needs, and small enough for every path (RFC 9715).
    static let largestPacket: UInt16 = 1232

    /// A recursive query with an OPT record; nil for what is no DNS name.
    static func query(_ name: String, _ kind: Kind, id: UInt16) -> [UInt8]? {
        var bytes = word(id) + [0x01, 0x00] + word(1) + word(0) + word(0) + word(1)
        for label in name.split(separator: ".") {
            guard (1...63).contains(label.utf8.count) else { return nil }
            bytes += [UInt8(label.utf8.count)] + label.utf8
        }
        guard bytes.count > 12, bytes.count <= 12 + 254 else { return nil }
        bytes += [0] + word(kind.rawValue) + word(1)
        return bytes + [0] + word(41) + word(largestPacket) + [0, 0, 0, 0, 0, 0]
    }

    /// Reads a response; nil for one that is malformed or to another query.
    static func answer(_ bytes: [UInt8], to id: UInt16) -> Answer? {
        var reader = Reader(bytes: bytes)
        guard reader.word() == id, let flags = reader.word(), flags & 0x8000 != 0, let questions = reader.word(),
            let answers = reader.word(), reader.skip(4)
        else { return nil }
        for _ in 0..<questions { guard reader.skipName(), reader.skip(4) else { return nil } }
        var records: [Record] = []
        for _ in 0..<answers {
            guard reader.skipName(), let type = reader.word(), reader.skip(6), let length = reader.word(),
                let data = reader.take(Int(length))
            else { return nil }
            records.append(Record(type: type, data: data))
        }
        return Answer(code: UInt8(flags & 0x0F), isTruncated: flags & 0x0200 != 0, records: records)
    }

    private static func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xFF)] }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

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
    }
}
