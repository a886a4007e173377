import Deployment
import FoundationEssentials
import Synchronization

/// The hooks of a simulated host: one that reloads, one that notifies, and one that checks, where there is one.
struct SimulatedHooks: HookListing, CommandRunner {
    let host: SimulatedHost

    /// Commands of renewal configs that stop the web server, and start it.
    static let stop = "systemctl stop nginx"
    static let start = "systemctl start nginx"

    func path(of kind: Hook.Kind) -> String { "/hooks/\(kind.rawValue)" }

    func list(_ kind: Hook.Kind) -> HookDirectory.Listing {
        switch kind {
        case .pre, .deploy: return HookDirectory.Listing()
        case .check where !host.look({ $0.hasCheckHook }): return HookDirectory.Listing()
        case .post, .check, .failure, .recovered:
            return HookDirectory.Listing(hooks: [Hook(kind, .directory(path: "\(path(of: kind))/10-it"))])
        }
    }

    func run(_ command: Command, timeout: Duration) async -> CommandOutcome {
        try? await host.time.sleep(for: .milliseconds(200))
        let isDead = host.look { $0.isDead }
        if isDead { return CommandOutcome(.signalled(9)) }
        let words = command.arguments.joined(separator: " ")
        if let last = command.arguments.last { host.log("hook \(last)") }
        if words.hasSuffix(SimulatedHooks.stop) {
            host.effect { $0.faults.serverIsDown = true }
            return CommandOutcome(.exited(0))
        }
        if words.hasSuffix(SimulatedHooks.start) {
            host.effect { $0.faults.serverIsDown = false }
            return reload()
        }
        if words.contains("/post/") { return reload() }
        if words.contains("/check/") {
            let refuses = host.look { world in
                world.faults.configIsBroken
                    || world.disk.live.contains { world.disk.archive[$0.key]?[$0.value]?.isBad == true }
            }
            return CommandOutcome(.exited(refuses ? 1 : 0))
        }
        let kind: Hook.Kind? = words.contains("/failure/") ? .failure : words.contains("/recovered/") ? .recovered : nil
        if let kind {
            let lineage = command.environment["CERTCTL_LINEAGE"] ?? ""
            // What cannot be written down is notified again.
            host.effect { if !$0.faults.diskIsFull { $0.notifications.append((kind, lineage)) } }
        }
        return CommandOutcome(.exited(0))
    }

    private func reload() -> CommandOutcome {
        let (fails, lies) = host.look { ($0.faults.hookFails, $0.faults.hookLies) }
        if fails { return CommandOutcome(.exited(1), output: "no such container") }
        var isAlive = false
        host.effect { _ in isAlive = true }
        if isAlive, !lies { host.reload() }
        return CommandOutcome(.exited(0))
    }
}
