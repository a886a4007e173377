import FoundationEssentials
import Lineages
import Testing

@testable import Renewal

/// What earlier engines did wrong with endpoints, hooks and runs, one sentence each.
struct RolloutFaultTests {
    // MARK: Evidence

    @Test func `nginx that is back after 45 seconds is no evidence against a certificate`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.restartSeconds = 45 }
        #expect(host.run().exitCode == 0)
        #expect(host.live() == 2)
        #expect(host.isServed())
        #expect(host.state().host.quarantine == nil)
        #expect(host.count("hook /hooks/post/10-it") == 1)
        #expect(host.count("show") == 0)
    }

    @Test func `a configuration that the operator has broken stays forward and pending`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.breaksAtReload = true }
        #expect(host.run().exitCode == 1)
        #expect(host.live() == 2)
        #expect(host.state().isPending)
        #expect(host.state().host.quarantine == nil)
        // The predecessor is tried once for a version, and not by every run.
        let shown = host.count("show")
        host.wait(hours: 4)
        host.run()
        #expect(host.count("show") == shown)
        host.only()
        host.wait(days: 2)
        #expect(host.run().exitCode == 0)
        #expect(host.notifications == ["failure a.example", "recovered a.example"])
    }

    @Test func `a server that stays silent after a reload has the predecessor tried once`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.diesAtReload = true }
        host.run()
        #expect(host.live() == 2)
        #expect(host.log.filter { $0.hasPrefix("show") } == ["show a.example 1", "show a.example 2"])
        for _ in 0..<3 {
            host.wait(hours: 4)
            host.run()
        }
        #expect(host.count("show") == 2)
        #expect(host.state().host.quarantine == nil)
        #expect(host.state().isPending)
    }

    @Test func `a run over a server that died ends in time, and the predecessor of each is tried once`() async throws {
        struct Seen: Sendable {
            var longest = Duration.zero
            var live: [Int] = []
            var excursions: [Int] = []
            var exitCode: Int32?
        }
        // Much is probed: on a separate thread, for other tests need those of Swift's pool.
        let seen = try await onThread { () -> Seen in
            var seen = Seen()
            guard let host = try? Scenario((0..<12).map { "site\($0).example" }) else { return seen }
            host.becomeDue()
            host.set { $0.diesAtReload = true }
            for _ in 0..<4 {
                let start = host.host.time.uptime
                host.run(jobs: 4)
                seen.longest = max(seen.longest, host.host.time.uptime - start)
                host.wait(hours: 4)
            }
            seen.live = host.names.map { host.live($0) }
            seen.excursions = host.names.map { host.count("show \($0) 1") }
            host.only()
            host.wait(days: 2)
            seen.exitCode = host.run().exitCode
            return seen
        }
        #expect(seen.longest < .seconds(1800))
        #expect(seen.live == Array(repeating: 2, count: 12))
        #expect(seen.excursions == Array(repeating: 1, count: 12))
        #expect(seen.exitCode == 0)
    }

    @Test func `a predecessor that was tried in vain before an order is not tried again`() throws {
        let host = try Scenario()
        host.wait(days: 10)
        host.set { $0.hookFails = true }
        host.force()
        #expect(host.live() == 2)
        #expect(host.state().host.live.rollout?.trial != .passed)
        host.wait(days: 61)
        host.only { ($0.configIsBroken, $0.caIsDown) = (true, true) }
        host.run()
        #expect(host.log.filter { $0.hasPrefix("show") } == ["show a.example 1", "show a.example 2"])
        #expect(host.state().host.live.rollout?.trial == .passed)
        host.wait(hours: 4)
        host.run()
        #expect(host.count("show") == 2)
    }

    @Test func `a certificate that breaks the handshake is rolled back, retried daily and freed`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.rejectsNew = true }
        #expect(host.run().exitCode == 1)
        #expect(host.live() == 1)
        #expect(host.isServed())
        #expect(host.state().host.quarantine?.isProven == true)
        // Nothing is ordered in its place.
        host.only()
        host.wait(hours: 4)
        host.run()
        #expect(host.count("order") == 1)
        host.host.accept()
        host.wait(days: 2)
        #expect(host.run().exitCode == 0)
        #expect(host.count("order") == 1)
        #expect(host.isServed())
        #expect(host.state().host.quarantine == nil)
    }

    @Test(arguments: [["a.example", "b.example"], ["b.example", "a.example"]])
    func `the culprit is found, and the innocent stays`(names: [String]) throws {
        let host = try Scenario(names)
        host.becomeDue()
        host.set { $0.rejectsNewOf = "b.example" }
        host.run()
        #expect(host.state("b.example").host.quarantine != nil)
        #expect(host.live("b.example") == 1)
        #expect(host.state("a.example").host.quarantine == nil)
        #expect(host.live("a.example") == 2)
        #expect(host.isServed("a.example") && host.isServed("b.example"))
        #expect(host.violations == [])
    }

    @Test func `nothing goes back to a predecessor that has expired`() throws {
        let host = try Scenario()
        host.wait(days: 91)
        host.set { $0.rejectsNew = true }
        host.run()
        #expect(host.live() == 2)
        #expect(host.count("show") == 0)
        #expect(host.state().isPending)
    }

    @Test func `nothing goes back to a predecessor that is revoked`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.host.look { $0.disk.archive["a.example"]?[1]?.isRevoked = true }
        host.set { $0.rejectsNew = true }
        host.run()
        #expect(host.live() == 2)
        #expect(host.count("show") == 0)
    }

    // MARK: Interruptions

    @Test func `a first run that is interrupted leaves what was adopted unseen`() throws {
        let host = try Scenario(isKnown: false)
        host.host.look { $0.loaded = [:] }
        host.run(cancelledAfter: .milliseconds(1))
        #expect(host.state().host.live.rollout == nil)
        #expect(host.state().stage != .deployed && host.state().stage != .verified)
    }

    @Test(arguments: [100, 400, 700, 1000, 1300, 1600, 1900])
    func `an interruption is no failure, and the next run goes on`(milliseconds: Int) throws {
        let host = try Scenario(["a.example", "b.example", "c.example", "d.example"])
        host.becomeDue()
        let report = host.run(jobs: 4, cancelledAfter: .milliseconds(milliseconds))
        #expect(report.wasInterrupted)
        #expect(host.notifications == [])
        for name in host.names { #expect(host.state(name).acquisition.retry == nil) }
        // The next run begins at once, and no certificate is bought twice.
        #expect(host.run(jobs: 4).exitCode == 0)
        #expect(host.count("finalize") == 4)
        for name in host.names { #expect(host.isServed(name) && host.live(name) == 2) }
        #expect(host.notifications == [])
    }

    @Test func `every order in flight is saved when a run is stopped, with its need`() throws {
        let host = try Scenario(["a.example", "b.example", "c.example"])
        host.becomeDue()
        host.set { $0.validatesForEver = true }
        host.run(jobs: 3, cancelledAfter: .seconds(5))
        for name in host.names {
            #expect(host.state(name).acquisition.order?.need == .due(live: host.leaf(name)?.sha256))
        }
        host.only()
        #expect(host.run(jobs: 3).exitCode == 0)
        #expect(host.count("order") == 3)
    }

    // MARK: Side by side

    @Test func `a run with nothing due writes no state`() throws {
        let host = try Scenario(["a.example", "b.example"])
        host.wait(days: 1)
        #expect(host.run().exitCode == 0)
        #expect(host.host.look { $0.effects } == 0)
    }

    @Test func `two lanes take as long as one`() throws {
        func duration(jobs: Int) throws -> Duration {
            let host = try Scenario(["a.example", "b.example", "c.example", "d.example"])
            host.becomeDue()
            let start = host.host.time.uptime
            #expect(host.run(jobs: jobs).exitCode == 0)
            return host.host.time.uptime - start
        }
        let (one, two, four) = (try duration(jobs: 1), try duration(jobs: 2), try duration(jobs: 4))
        #expect(one - two > .seconds(2) && two - four > .seconds(1))
    }

    @Test func `fifty certificates are one reload`() throws {
        let host = try Scenario((0..<50).map { "site\($0).example" })
        host.becomeDue()
        #expect(host.run(jobs: 4).exitCode == 0)
        #expect(host.count("hook /hooks/post/10-it") == 1)
    }

    @Test func `a lineage with a pre hook never takes the web server from the others`() throws {
        let host = try Scenario(["a.example", "b.example", "c.example", "d.example"])
        for name in ["a.example", "c.example"] {
            host.commands[name] = HookCommands(pre: SimulatedHooks.stop, post: SimulatedHooks.start)
        }
        host.host.look { $0.standalone = ["a.example", "c.example"] }
        host.becomeDue()
        #expect(host.run(jobs: 4).exitCode == 0)
        for name in host.names { #expect(host.isServed(name) && host.live(name) == 2) }
        #expect(host.count("hook \(SimulatedHooks.stop)") == 1)
        #expect(host.count("hook \(SimulatedHooks.start)") == 1)
        let stop = try #require(host.log.firstIndex(of: "hook \(SimulatedHooks.stop)"))
        for name in ["b.example", "d.example"] {
            #expect(try #require(host.log.firstIndex(of: "validated \(name)")) < stop)
        }
        for name in ["a.example", "c.example"] {
            #expect(try #require(host.log.firstIndex(of: "order \(name)")) > stop)
        }
    }

    @Test func `no pre hook runs while the CA is away`() throws {
        let host = try Scenario()
        host.commands["a.example"] = HookCommands(pre: SimulatedHooks.stop, post: SimulatedHooks.start)
        host.becomeDue()
        host.set { $0.caIsDown = true }
        host.run()
        #expect(host.log.allSatisfy { !$0.contains(SimulatedHooks.stop) })
        #expect(host.isServed())
    }
}

extension HookCommands {
    fileprivate init(pre: String, post: String) {
        self.init()
        (self.pre, self.post) = (pre, post)
    }
}
