import CLinux
import Glibc
import Text

/// Descriptors 0, 1 and 2, whatever the caller did with them.
enum StandardStreams {
    /// Opens /dev/null in place of each that is closed: the next file or connection would get its number, and what is meant
    /// for the operator would be written into it.
    static func fill() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free number is this one.
            unsafe _ = certctl_open("/dev/null", O_RDWR, 0)
        }
    }

    /// Prints one line that a terminal takes literally, and where it is too long for that, wrapped: everything goes this way that a
    /// table or a style has not made so.
    static func print(line: String) {
        for line in TextLayout.lines(line, to: Screen.output.width) { Swift.print(line) }
    }

    /// Brings what was printed to where it goes, for a command of which nothing else comes.
    static func finishOutput() throws {
        guard certctl_flush_output() != 0 else { return }
        throw CommandFailure(
            .failed, "the output cannot be written: it is not complete", next: "see that there is space where it goes")
    }
}
