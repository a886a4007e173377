import Glibc
import Rig
import Testing

/// A chroot or a container in which nobody mounted /proc.
@Suite(.enabled(if: geteuid() == 0, "needs root, to take /proc away"), .parts("unshare"))
struct WithoutProcTests {
    @Test(
        arguments: [
            ["renew"], ["renew", "--quiet"], ["status"], ["status", "--check"], ["deploy"], ["history"], ["doctor"],
            ["setup", "--yes"], ["--version"], ["--help"], [],
        ])
    func `no command pretends to have done something`(arguments: [String]) async throws {
        let output = try await sh(
            "unshare",
            ["--mount", "--propagation", "private", "sh", "-c", "umount -l /proc && exec \"$@\"", "sh", Certctl.path]
                + arguments)
        #expect(output.status == 78, "\(output.stdout)\(output.stderr)")
        #expect(output.stdout.isEmpty)
        #expect(
            output.stderr == """
                certctl: cannot read /proc/self/cmdline: No such file or directory
                  next: mount -t proc proc /proc, where certctl runs (a chroot, a container)

                """)
    }
}
