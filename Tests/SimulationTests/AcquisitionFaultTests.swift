import FoundationEssentials
import Lineages
import PKI
import Testing

@testable import Renewal

/// A window of days of a certificate's age.
private func window(of leaf: Leaf, _ start: Double, _ end: Double) -> (start: Date, end: Date) {
    (leaf.notBefore.addingTimeInterval(start * 86_400), leaf.notBefore.addingTimeInterval(end * 86_400))
}

/// What earlier engines did wrong with CAs, orders and retries, one sentence each.
struct AcquisitionFaultTests {
    // MARK: Separate retries

    @Test func `failed hooks do not make the first failure of a CA wait for a day`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.hookFails = true }
        for _ in 0..<8 {
            host.run()
            host.wait(hours: 4)
        }
        #expect(host.state().host.live.rollout?.retry?.failures ?? 0 >= 6)
        host.becomeDue()
        host.set { $0.caIsDown = true }
        host.run()
        #expect(host.state().acquisition.retry?.failures == 1)
        #expect(host.delay() <= 72)
        #expect(host.state().host.live.rollout?.retry?.failures ?? 0 >= 6)
    }

    @Test func `a rollout that rests does not keep a due certificate from being renewed`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.hookFails = true }
        for _ in 0..<8 {
            host.run()
            host.wait(hours: 4)
        }
        #expect(host.live() == 2)
        host.wait(days: 61)
        host.run()
        #expect(host.live() == 3)
    }

    @Test func `deploying again does not wipe out a failed renewal`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.caIsDown = true }
        host.run()
        let failed = host.state().acquisition
        let report = host.run(.deploy, isExplicit: true)
        #expect(report.hookFailures.isEmpty)
        #expect(host.state().acquisition == failed)
        #expect(failed.retry != nil)
        #expect(host.notifications == ["failure a.example"])
        host.only()
        host.wait(minutes: 2)
        #expect(host.run().exitCode == 0)
        #expect(host.notifications == ["failure a.example", "recovered a.example"])
    }

    // MARK: Saved orders

    @Test func `an order that the CA refuses three times is given up for another`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.refusesOrders = true }
        for refusals in 1...3 {
            host.run()
            #expect(host.count("order") == 1)
            #expect(host.state().acquisition.order?.refusals == (refusals < 3 ? refusals : nil))
            host.wait(hours: 4)
        }
        host.only()
        host.wait(days: 1)
        #expect(host.run().exitCode == 0)
        #expect(host.count("order") == 2)
        #expect(host.isServed())
    }

    @Test func `trouble of the network does not count against an order`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.run(cancelledAfter: .milliseconds(700))
        let order = try #require(host.state().acquisition.order)
        host.set { $0.caIsDown = true }
        for _ in 0..<8 {
            host.run()
            host.wait(hours: 13)
        }
        #expect(host.state().acquisition.order?.url == order.url)
        #expect(host.state().acquisition.order?.refusals == 0)
        host.only()
        host.wait(days: 1)
        #expect(host.run().exitCode == 0)
        #expect(host.count("order") == 1)
    }

    @Test func `an order that the CA works on is kept and finalized once`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.signsSlowly = true }
        for _ in 0..<5 {
            host.run()
            host.wait(hours: 25)
        }
        host.only()
        #expect(host.run().exitCode == 0)
        #expect(host.count("order") == 1)
        #expect(host.count("finalize") == 1)
        #expect(host.violations == [])
    }

    @Test func `force takes an interrupted order up`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.run(cancelledAfter: .milliseconds(700))
        #expect(host.state().acquisition.order != nil)
        #expect(host.force().exitCode == 0)
        #expect(host.count("order") == 1)
        #expect(host.live() == 2)
    }

    @Test func `force replaces an order that has failed`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.refusesOrders = true }
        host.run()
        #expect(host.state().acquisition.order != nil)
        host.only()
        #expect(host.force().exitCode == 0)
        #expect(host.count("order") == 2)
        #expect(host.live() == 2)
    }

    @Test func `an order whose authorization has expired is replaced in the same run`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.run(cancelledAfter: .milliseconds(700))
        let order = try #require(host.state().acquisition.order)
        host.host.look { $0.orders[order.url]?.hasLostAuthorization = true }
        #expect(host.run().exitCode == 0)
        #expect(host.count("order") == 2)
        #expect(host.live() == 2)
    }

    @Test func `a preferred profile that is refused at finalize is left out of another order in the same run`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.refusesProfile = true }
        #expect(host.run().exitCode == 0)
        #expect(host.count("order") == 2 && host.count("finalize") == 1)
        #expect(host.live() == 2 && host.violations == [])
    }

    @Test func `an order that the CA has forgotten is replaced in the same run`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.run(cancelledAfter: .milliseconds(700))
        host.host.look { $0.orders = [:] }
        #expect(host.run().exitCode == 0)
        #expect(host.count("order") == 2)
    }

    // MARK: What a CA asks for

    @Test func `a 503 never parks a certificate of six days past its expiry`() throws {
        let host = try Scenario(lifetime: 6)
        host.becomeDue()
        host.set { $0.unavailable = 691_200 }
        host.run()
        let remaining = try #require(host.leaf()).notAfter.timeIntervalSince(host.now)
        #expect(host.delay() >= 3600 && host.delay() <= remaining / 10 + 1)
        host.only()
        host.wait(hours: 8)
        #expect(host.run().exitCode == 0)
        #expect(host.live() == 2)
    }

    @Test func `a 503 is kept up to a tenth of what remains`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.unavailable = 691_200 }
        host.run()
        #expect(host.delay() > 2.5 * 86_400)
        host.wait(days: 2)
        host.run()
        #expect(host.count("order") == 1)
        host.wait(days: 1)
        host.run()
        #expect(host.count("order") == 2)
    }

    @Test func `a limit is kept for a day at most, also after the expiry`() throws {
        let host = try Scenario()
        host.wait(days: 95)
        host.set { ($0.limit, $0.limitsAccount) = (691_200, true) }
        host.run()
        host.wait(hours: 20)
        host.run()
        #expect(host.count("order") == 1)
        host.only()
        host.wait(hours: 5)
        host.run()
        #expect(host.live() == 2)
    }

    @Test func `certctl's own back-off is not shortened by a CA`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.unavailable = 1 }
        for failures in 1...4 {
            host.run(isExplicit: true)
            #expect(host.delay() >= Backoff.delays[failures - 1] * 0.8)
        }
    }

    @Test func `a limit on the account stops new orders of the run`() throws {
        let host = try Scenario(["a.example", "b.example", "c.example"])
        host.becomeDue()
        host.set { ($0.limit, $0.limitsAccount) = (3600, true) }
        #expect(host.run().exitCode == 75)
        #expect(host.count("order") == 1)
    }

    @Test func `the orders of a run are capped by the CA's limit, the earliest expiry first`() throws {
        let count = AuthorityState.mostOrders + 10
        let host = try Scenario((0..<count).map { "site\($0).example" })
        host.becomeDue()
        #expect(host.run(jobs: 8).exitCode == 75)
        #expect(host.count("order") == AuthorityState.mostOrders)
        host.wait(hours: 4)
        #expect(host.run(jobs: 8).exitCode == 0)
        #expect(host.count("order") == count)
    }

    // MARK: What a CA suggests

    @Test func `a CA whose window for every fresh certificate is over is not given an order at every run`() throws {
        let host = try Scenario()
        host.set { $0.suggestedWindow = { window(of: $0, -2, -1) } }
        for _ in 0..<(30 * 6) {
            #expect(host.run().exitCode == 0)
            host.wait(hours: 4)
        }
        // The one that was there is replaced at once, and the next ones a day before a tenth of their lifetime is over: the next
        // run is expected a day later.
        #expect(host.count("order") == 4)
        #expect(host.violations == [])
    }

    @Test func `a young certificate that the CA calls back is replaced at once, and again at its floor`() throws {
        let host = try Scenario()
        host.set { $0.suggestedWindow = { window(of: $0, 60, 62) } }
        host.wait(days: 62)
        #expect(host.run().exitCode == 0)
        #expect(host.live() == 2)
        for expected in [3, 4] {
            let bad = try #require(host.leaf()).sha256
            host.set {
                $0.suggestedWindow = { $0.sha256 == bad ? window(of: $0, -2, -1) : window(of: $0, 60, 62) }
            }
            host.wait(days: 1)
            host.run()
            #expect(host.live() == 3)
            if expected == 4 {
                host.wait(days: 7)
                host.run()
            }
            #expect(host.live() == expected)
        }
        // Others of the lineage are asked about again as usual.
        host.wait(days: 30)
        host.run()
        #expect(host.live() == 4)
        host.wait(days: 31)
        host.run()
        #expect(host.live() == 5)
        #expect(host.violations == [])
    }

    // MARK: Force

    @Test func `a forced renewal that fails is history when nothing is due`() throws {
        let host = try Scenario()
        host.wait(days: 10)
        let faults: [WritableKeyPath<Faults, Bool>] = [\.validatesNothing, \.caIsDown, \.refusesOrders]
        for fault in faults {
            host.only { $0[keyPath: fault] = true }
            #expect(host.force().exitCode != 0)
            #expect(host.state().acquisition == .idle)
            #expect(!host.state().isPending)
            host.only()
            #expect(host.run().exitCode == 0)
        }
        #expect(host.notifications == [])
    }

    @Test func `force asks the CA again where a certificate is dated ahead`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.datedAhead = 10 * 86_400 }
        host.run()
        #expect(host.state().acquisition.isIssued)
        #expect(host.live() == 1)
        host.only()
        host.force()
        #expect(host.live() == 2)
        #expect(host.isServed())
    }

    @Test func `a certificate that was staged for issue has its command named`() throws {
        let host = try Scenario()
        let names = ["a.example", "b.example"]
        let leaf = Leaf(
            sha256: "more", serial: "more", names: names.compactMap { SubjectName($0) }, notBefore: host.now,
            notAfter: host.now.addingTimeInterval(90 * 86_400))
        let order = SavedOrder(
            url: "https://ca.example/order/more", server: "https://ca.example/dir", names: names, need: .issue,
            placedAt: host.now, expires: nil)
        let state = host.state().applying(.orderPlaced(order), at: host.now).state.applying(.issued, at: host.now).state
        host.host.look { world in
            world.disk.states["a.example"] = state
            world.disk.staged["a.example"] = (7, SimulatedVersion(leaf: leaf, key: 7, isBad: false))
        }
        let report = host.run()
        #expect(report.exitCode == 1)
        guard case .failed(let failure) = report.outcomes[0].outcome else {
            Issue.record("\(report.outcomes)")
            return
        }
        #expect(failure.description.contains("certctl issue --name a.example -d a.example -d b.example"))
        #expect(host.state().acquisition.isIssued)
    }

    @Test func `what a wrong clock left issued, and has expired since, is dropped`() throws {
        let host = try Scenario(lifetime: 6)
        host.becomeDue()
        host.set { $0.clockError = 40 * 86_400 }
        host.run()
        #expect(host.state().acquisition.isIssued)
        host.only()
        host.wait(days: 7)
        host.run()
        host.wait(hours: 4)
        #expect(host.run().exitCode == 0)
        #expect(host.isServed())
    }

    // MARK: Time

    @Test func `an acquisition ends after ten minutes, and its order is kept`() throws {
        let host = try Scenario()
        host.becomeDue()
        host.set { $0.validatesForEver = true }
        let start = host.host.time.uptime
        #expect(host.run().exitCode == 75)
        #expect(host.host.time.uptime - start < .seconds(660))
        #expect(host.state().acquisition.retry?.cause.code == .outOfTime)
        host.only()
        host.wait(hours: 4)
        #expect(host.run().exitCode == 0)
        #expect(host.count("order") == 1)
    }

    @Test func `nothing is ordered after 25 minutes of a run`() throws {
        let host = try Scenario(["a.example", "b.example", "c.example", "d.example", "e.example"])
        host.becomeDue()
        host.set { $0.validatesForEver = true }
        let start = host.host.time.uptime
        host.run()
        #expect(host.count("order") == 3)
        #expect(host.host.time.uptime - start < .seconds(2000))
    }
}
