import Deployment
import Lineages

/// What a confined certctl has systemd do outside of its sandbox.
struct OutsideUnits {
    /// Runs hooks, which have to be able to do whatever the operator wants of them.
    let hooks: TransientUnits
    private let looks: TransientUnits

    init() throws(TransientUnits.Unavailable) {
        hooks = try TransientUnits(prefix: "certctl-hook")
        looks = try TransientUnits(prefix: "certctl-look")
    }

    /// Upper bound on reading the mounts of all processes.
    private static let timeout: Duration = .seconds(60)

    /// The program that listens on a TCP port; nil if it cannot be found out.
    func portHolder(_ port: Int) async -> String? {
        // users:(("nginx",pid=1234,fd=6))
        let line =
            "ss -Hltnp \"sport = :$0\" | sed -n 's/.*users:((\"\\([^\"]*\\)\",pid=\\([0-9]*\\).*/\\1 (process \\2)/p' | head -n 1"
        var look = Command(executable: "/bin/sh", arguments: ["-c", line, String(port)])
        look.title = "a look for who listens on port \(port)"
        let outcome = await looks.run(look, timeout: OutsideUnits.timeout)
        return outcome.succeeded ? outcome.lastLine : nil
    }

    /// Whether some process has a mount of a directory itself; true as well if that cannot be found out.
    func isMounted(_ directory: String) async -> Bool {
        guard let mark = Mounts.mark(of: directory) else { return true }
        let line = "if cat /proc/[0-9]*/mountinfo 2>/dev/null | grep -qF -e \"$0\"; then echo yes; else echo no; fi"
        var look = Command(executable: "/bin/sh", arguments: ["-c", line, mark])
        look.title = "a look for mounts of \(directory)"
        return await looks.run(look, timeout: OutsideUnits.timeout).output != "no\n"
    }
}
