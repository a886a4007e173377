import Rig
import Testing

/// Hooks as units of systemd's: what they see, what is seen of them, and how they end.
@Suite(.systemdHost)
struct HookUnitTests {
    private let name = "www.example.test"

    @Test func `a hook's output, exit code and surroundings are as in a shell`() async throws {
        try await UnitHost.with { host in
            try await host.lineage(name)
            // Names and words that mean something to systemd or to a shell.
            let odd = "odd $HOME %n it's \"a\" \\ hook"
            try await host.hook(
                "deploy", odd,
                "printf '%s|' \"$0\" \"$HOME\" \"${TOKEN-unset}\" \"${SECRET-unset}\" > /said; kill -l > /dev/null")
            try await host.hook("deploy", "signals", "grep -E '^Sig(Ign|Blk)' /proc/self/status > /signals")
            try await host.host.shell(
                "sed -i \"s|^authenticator|post_hook = echo '\\$\\$ \\$HOME \\${HOME} \\%n' > /conf-said\\n&|\" /etc/letsencrypt/renewal/\(name).conf"
            )
            // What certctl's own unit is told is not for hooks; what hooks' units are told is.
            try await host.dropIn("certctl.service", "test", "[Service]\nEnvironment=TOKEN=certctl\n")
            try await host.host.write("SECRET=hooks\n", to: "/etc/certctl/hooks.env", mode: "600")
            try await host.dropIn(
                "certctl-hook-.service", "test", "[Service]\nEnvironmentFile=/etc/certctl/hooks.env\n")
            try await host.makeDue(name)
            try await host.succeeds()
            let path = "/etc/letsencrypt/renewal-hooks/deploy/\(odd)"
            #expect(try await host.host.shell("cat /said") == "\(path)|/root|unset|hooks|")
            #expect(try await host.host.shell("cat /conf-said") == "$$ $HOME ${HOME} %n\n")
            // Above 31 are the C library's own and the realtime signals.
            let sets = try await host.host.shell("cat /signals").split(separator: "\n").map {
                UInt64($0.suffix(8), radix: 16)
            }
            #expect(sets.map { $0.map { $0 & 0x7fff_ffff } } == [0, 0])

            // What a hook prints when it fails, each line with its priority, and how it ended.
            try await host.host.shell("rm /etc/letsencrypt/renewal-hooks/deploy/*")
            try await host.hook("deploy", "1-talks", "echo one; echo two >&2; printf '<7>three\\n'; exit 3")
            try await host.hook("deploy", "2-dies", "kill -TERM $$")
            try await host.hook("deploy", "3-works", "touch /worked")
            try await host.hook(
                "failure", "tell", "echo \"$CERTCTL_LINEAGE $CERTCTL_CONSECUTIVE_FAILURES $CERTCTL_ATTEMPTS\" >> /told")
            #expect(try await host.run() == 1)
            let journal = try await host.journal()
            #expect(journal.allSatisfy { $0.priority == "3" }, "\(journal)")
            let messages = journal.map(\.message)
            #expect(
                messages.starts(with: [
                    "deploy hook 1-talks exited with 3", "    one", "    two", "    <7>three",
                    "deploy hook 2-dies was ended by signal 15",
                ]), "\(messages)")
            #expect(
                messages.count == 5,
                "\(messages)")
            #expect(try await host.host.shell("cat /told; test -e /worked") == "\(name) 1 1\n")
            // It is pending: systemd starts the next try within minutes, and nobody is alarmed.
            #expect(try await host.property("SubState") == "auto-restart")
            #expect(try await host.property("RestartUSec") == "5min")
            #expect(try await host.host.shell("systemctl --failed --no-legend --plain") == "")
        }
    }

    @Test func `a hook that takes too long ends with all that it started, and one that ends leaves what it started`()
        async throws
    {
        try await UnitHost.with { host in
            try await host.lineage(name)
            try await host.host.shell("echo 'hook_timeout = 3' >> /etc/certctl/certctl.conf")
            try await host.hook("deploy", "1-leaves", "setsid sleep 8001 >/dev/null 2>&1 &")
            try await host.hook(
                "deploy", "2-hangs",
                "trap 'echo cleaned' TERM\nsetsid sh -c 'trap \"\" TERM; sleep 8002; sleep 8002' &\necho begun\nsleep 8003; sleep 8004"
            )
            try await host.makeDue(name)
            #expect(try await host.run() == 1)
            let messages = try await host.journal().map(\.message)
            #expect(
                messages.starts(with: ["deploy hook 2-hangs did not end within 3 s and was ended", "    begun"]),
                "\(messages)")
            #expect(messages.contains("    cleaned"), "\(messages)")
            #expect(try await host.host.shell("pgrep -f '[s]leep 800' | xargs ps -o args= -p") == "sleep 8001\n")
        }
    }

    /// - Parameter isEnded: whether the hook is cut short; `systemctl stop` leaves it the time to come to its end.
    @Test(arguments: [
        (end: "kill --signal=SIGKILL", isEnded: true), (end: "kill --signal=SIGTERM", isEnded: true),
        (end: "stop", isEnded: false),
    ])
    func `no hook outlives its run`(end: String, isEnded: Bool) async throws {
        try await UnitHost.with { host in
            try await host.lineage(name)
            try await host.hook(
                "deploy", "takes-time",
                "touch /begun\nseconds=$(cat /seconds)\necho 0 > /seconds\nsleep \"$seconds\"\ntouch /ended")
            try await host.makeDue(name)
            try await host.host.shell(
                "echo \(isEnded ? 8005 : 4) > /seconds; systemctl start --no-block certctl.service")
            try await host.host.eventually("test -e /begun; pgrep -x sleep")
            try await host.host.shell("systemctl \(end) certctl.service")
            try await host.host.eventually(
                "systemctl show --value -p SubState certctl | grep -qE 'failed|dead|auto-restart'")
            #expect(try await host.host.exec("pgrep", ["-x", "sleep"]).status == 1)
            // A run that ends in good order may have come to run the hook again.
            if end != "kill --signal=SIGTERM" {
                #expect(try await host.host.exec("test", ["-e", "/ended"]).status == (isEnded ? 1 : 0))
            }
            #expect(try await host.host.shell("systemctl --all list-units --no-legend 'certctl-hook-*'") == "")
            // Nothing is lost: the next run takes it up.
            try await host.host.shell("systemctl stop certctl; systemctl reset-failed certctl || true")
            try await host.makeNotDue(name)
            try await host.host.shell("rm -f /ended")
            try await host.succeeds()
            #expect(try await host.host.shell("certctl status").contains(" ok "))
            #expect(try await host.installedSerial(name) == host.servedSerial(name))
        }
    }

    @Test func `without systemd the option is refused before anything is done`() async throws {
        try await TemporaryDirectory.with { directory in
            let output = try await sh(
                "unshare",
                [
                    "--mount", "sh", "-c", "mount -t tmpfs tmpfs /run && exec \"$0\" \"$@\"", BuiltProgram.certctl,
                    "renew",
                    "--hooks-in-units", "--config-dir", directory, "--state-dir", "\(directory)/state",
                ])
            #expect(output.status == 78)
            #expect(
                output.stderr.hasPrefix("certctl: this host is not run by systemd: there is no /run/systemd/system\n"),
                "\(output)")
            #expect(try await sh("test", ["-e", "\(directory)/state"]).status == 1)
        }
    }
}
