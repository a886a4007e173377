/// A response while it arrives, piece by piece, and the limits it has to keep to.
struct IncomingResponse {
    /// Upper bound on the headers of all responses to one request, interim ones included; servers in the field send
    /// less than 4 KiB, and refuse more than 8 to 32 KiB themselves.
    static let largestHead = 65_536

    private(set) var headers: HTTPHeaders = [:]
    private(set) var body: [UInt8] = []
    /// Which limit was passed; what has arrived is of no use then.
    private(set) var excess: String?

    private let largestBody: Int
    private var headSize = 0
    private var isInHead = false

    init(largestBody: Int) {
        self.largestBody = largestBody
    }

    /// Takes one line of a head, with its line break; false once the limit is passed.
    ///
    /// Every status line starts the headers again, so that the last response's stay. What follows the empty line and is
    /// no status line is a trailer, and dropped.
    mutating func receive(headerLine bytes: some Collection<UInt8>) -> Bool {
        headSize += bytes.count
        guard headSize <= Self.largestHead else {
            excess = "its headers have more than \(Self.largestHead) bytes"
            return false
        }
        let line = String(decoding: bytes, as: UTF8.self)
        if !isInHead {
            guard line.hasPrefix("HTTP/") else { return true }
            headers = [:]
            isInHead = true
        } else if line.first?.isWhitespace != true {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return true }
            headers.append(name: parts[0].trimmed, value: parts[1].trimmed)
        } else if line.trimmed.isEmpty {
            isInHead = false
        } else {
            headers.unfold(line.trimmed)
        }
        return true
    }

    /// Takes a piece of the body; false once the limit is passed.
    mutating func receive(body bytes: some Collection<UInt8>) -> Bool {
        guard bytes.count <= largestBody - body.count else {
            excess = "its body has more than \(largestBody) bytes"
            return false
        }
        body.append(contentsOf: bytes)
        return true
    }
}

extension StringProtocol {
    fileprivate var trimmed: String {
        let start = drop(while: \.isWhitespace)
        guard let end = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...end])
    }
}
