/// The last part of a stream of bytes, at a bounded cost whatever the length of the stream.
struct OutputTail {
    /// What is kept: enough for the cause of a failure, and little beside a runaway's output.
    static let limit = 65_536

    private var bytes: [UInt8] = []
    /// Whether bytes at the beginning are gone.
    private(set) var wasCut = false

    /// Adds what came next.
    mutating func append(_ chunk: some Collection<UInt8>) {
        bytes.append(contentsOf: chunk.suffix(Self.limit))
        wasCut = wasCut || chunk.count > Self.limit || bytes.count > Self.limit
        // Not at every chunk: each cut moves all the bytes.
        if bytes.count > 2 * Self.limit { bytes.removeFirst(bytes.count - Self.limit) }
    }

    /// The bytes that are kept.
    var tail: [UInt8] { Array(bytes.suffix(Self.limit)) }

    /// The bytes as text, with U+FFFD for what is not UTF-8.
    var text: String {
        var kept = tail[...]
        if wasCut {
            // The rest of a character that the cut went through is no error of the program's.
            kept = kept.dropFirst(kept.prefix(3).prefix { $0 & 0b1100_0000 == 0b1000_0000 }.count)
        }
        return String(decoding: kept, as: UTF8.self)
    }
}
