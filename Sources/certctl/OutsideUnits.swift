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

    /// Whether some process has a mount of a directory itself; yes also where it cannot be told.
    func isMounted(_ directory: String) async -> Bool {
        guard let mark = Mounts.mark(of: directory) else { return true }
        let line = "if cat /proc/[0-9]*/mountinfo 2>/dev/null | grep -qF -e \"$0\"; then echo yes; else echo no; fi"
        var look = Command(executable: "/bin/sh", arguments: ["-c", line, mark])
        look.title = "a look for mounts of \(directory)"
        return await looks.run(look, timeout: OutsideUnits.timeout).output != "no\n"
    }
}
