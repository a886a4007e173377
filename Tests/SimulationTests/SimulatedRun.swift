import Deployment
import FoundationEssentials
import Lineages

@testable import Renewal

/// Runs of the real engine on a simulated host.
extension SimulatedHost {
    /// One run, as the timer or an operator begins it.
    ///
    /// - Parameters:
    ///   - killAt: the effect at which the process is killed; nil where it is not.
    ///   - limit: after how long the run is asked to stop, as by SIGTERM; nil where it is not.
    func run(
        _ request: RunRequest, _ subjects: [Subject], isExplicit: Bool, jobs: Int = 2, killAt: Int? = nil,
        cancelledAfter limit: Duration? = nil, report: @escaping @Sendable (RenewalEvent) -> Void = { _ in }
    ) -> RunReport {
        let isForced = if case .renew(let forced) = request { forced } else { false }
        look { world in
            (world.effects, world.killAt, world.isDead, world.isForced) = (0, killAt, false, isForced)
            let forced = isForced ? Set(subjects.map(\.name)) : []
            for url in world.orders.keys where forced.contains(world.orders[url]?.lineage ?? "") {
                world.orders[url]?.mayBeReplaced = true
            }
        }
        let (world, hooks) = (SimulatedWorld(host: self), SimulatedHooks(host: self))
        return time.run(cancelledAfter: limit) { [self] in
            let run = RenewalRun(
                world,
                hooks: HookRun(
                    directory: hooks, runner: hooks, executor: time,
                    remember: { owed in self.effect { $0.disk.owed = owed } }),
                jobs: jobs, initiator: .timer, report: report)
            return await run.run(request, subjects, isExplicit: isExplicit)
        }
    }

    /// Installs a first certificate, as certbot would have.
    func begin(_ name: String) {
        let version = issue(name, key: 1)
        look { world in
            world.disk.archive[name] = [1: version]
            world.disk.live[name] = 1
        }
    }

    /// A lineage as a run is given it; nil where live/ shows nothing of it.
    func subject(_ name: String, _ options: RenewalOptions, _ commands: HookCommands = HookCommands()) -> Subject? {
        look { world in
            guard let number = world.disk.live[name], let version = world.disk.archive[name]?[number] else {
                return nil
            }
            return Subject(
                name: name, leaf: version.leaf, number: number, options: options, commands: commands,
                livePath: "/live/\(name)")
        }
    }

    /// The options of a lineage that is proven through a webroot.
    static func options() throws -> RenewalOptions {
        let text = "[renewalparams]\nauthenticator = webroot\nkey_type = ecdsa\nallow_subset_of_names = True\n"
        return try RenewalOptions(ConfFile(bytes: Array(text.utf8)), defaults: CLIDefaults([]))
    }

    /// The server takes every certificate from now on.
    func accept() {
        look { world in
            func good(_ version: SimulatedVersion) -> SimulatedVersion {
                SimulatedVersion(leaf: version.leaf, key: version.key, isBad: false)
            }
            world.disk.archive = world.disk.archive.mapValues { $0.mapValues(good) }
            world.disk.quarantine = world.disk.quarantine.mapValues(good)
            world.disk.staged = world.disk.staged.mapValues { ($0.key, $0.version.map(good)) }
            world.loaded = world.loaded.mapValues(good)
            world.orders = world.orders.mapValues { order in
                var order = order
                order.version = order.version.map(good)
                return order
            }
        }
    }
}
