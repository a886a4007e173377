import FoundationEssentials
import Glibc

/// The environment that a service of systemd's has, where no systemd is at hand to give it (systemd.exec(5)).
enum ServiceEnvironment {
    /// What systemd gives every service; the search path is its default.
    private static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    /// What is the terminal's, or the host's as a whole.
    private static let kept: Set = [
        "TERM", "LANG", "TZ", "NO_COLOR", "COLUMNS", "http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY",
    ]

    /// Starts this command again with the environment of a service, in the place of this process. To change the variables of a
    /// process with threads is not safe (setenv(3)).
    ///
    /// - Parameter option: added to the command line, so that it is done once.
    static func restart(with option: String) throws {
        var variables = ProcessInfo.processInfo.environment.filter { kept.contains($0.key) || $0.key.hasPrefix("LC_") }
        variables["PATH"] = path
        // What is copied here goes with this process's memory, or with the process.
        var arguments = unsafe (CommandLine.arguments + [option]).map { unsafe strdup($0) } + [nil]
        var environment = unsafe variables.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
        unsafe execve("/proc/self/exe", &arguments, &environment)
        throw CommandFailure(.failed, "cannot start certctl again: \(unsafe String(cString: strerror(errno)))")
    }
}
