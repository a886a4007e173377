import Glibc
import Synchronization

/// The standard input of the test process, as long as a closure runs.
enum StandardInput {
    private static let lock = Mutex(())

    /// Runs `body` while standard input holds `text`, and gives back what `body` has not read of it.
    static func holding<R>(_ text: String, _ body: () throws -> R) throws -> (unread: String, result: R) {
        try lock.withLock { _ in
            var ends: [CInt] = [0, 0]
            guard pipe(&ends) == 0 else { throw Failure() }
            let original = dup(STDIN_FILENO)
            defer {
                dup2(original, STDIN_FILENO)
                close(original)
            }
            dup2(ends[0], STDIN_FILENO)
            close(ends[0])
            let bytes = Array(text.utf8)
            _ = write(ends[1], bytes, bytes.count)
            close(ends[1])
            let result = try body()
            var unread = [UInt8](repeating: 0, count: bytes.count + 1)
            let count = read(STDIN_FILENO, &unread, unread.count)
            return (String(decoding: unread.prefix(max(0, count)), as: UTF8.self), result)
        }
    }

    private struct Failure: Error {}
}
