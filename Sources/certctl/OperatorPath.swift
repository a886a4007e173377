import ArgumentParser
import Glibc

/// A path as an operator types it, made absolute without a look at the disk, as certbot does it: confs hold absolute paths.
///
/// Slashes at the end, `.` and `..` go. An empty one, the trace of an unset variable, is refused: it would name the working
/// directory.
struct OperatorPath: ExpressibleByArgument {
    /// The absolute path.
    let text: String

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        var path = argument
        if !path.hasPrefix("/") {
            // Nil where the working directory was removed.
            guard let directory = unsafe getcwd(nil, 0) else { return nil }
            defer { unsafe free(directory) }
            path = unsafe String(cString: directory) + "/" + path
        }
        var components: [Substring] = []
        for component in path.split(separator: "/") where component != "." {
            if component == ".." { _ = components.popLast() } else { components.append(component) }
        }
        text = "/" + components.joined(separator: "/")
    }

    private init(absolute: String) { text = absolute }

    /// Where certbot has its tree.
    static let tree = OperatorPath(absolute: "/etc/letsencrypt")
    /// Where certctl keeps its own state.
    static let state = OperatorPath(absolute: "/var/lib/certctl")

    var defaultValueDescription: String { text }

    /// What a shell offers, unless an option wants a directory.
    static let defaultCompletionKind = CompletionKind.file()
}
