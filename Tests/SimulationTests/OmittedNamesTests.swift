import FoundationEssentials
import Lineages
import PKI
import Testing

@testable import Renewal

/// Certificates without the names that the CA refuses (`allow_subset_of_names`).
struct OmittedNamesTests {
    private static let all = ["a.example", "b.example", "c.example"]

    private func scenario() throws -> Scenario { try Scenario(domains: ["a.example": OmittedNamesTests.all]) }

    private func names(_ host: Scenario) -> [String] { host.leaf()?.names.map(\.description) ?? [] }

    private func remarks(_ host: Scenario) -> [String] {
        host.events.compactMap { event in
            switch event {
            case .remark(_, let text), .alarm(_, let text): text
            default: nil
            }
        }
    }

    @Test func `names that the CA refuses are left out, named twice, and known as missing`() throws {
        let host = try scenario()
        host.becomeDue()
        host.set { $0.refusedNames = ["b.example", "c.example"] }
        #expect(host.run().exitCode == 0)
        #expect(names(host) == ["a.example"])
        #expect(remarks(host).count { $0.contains("without b.example, c.example: not validated") } == 2)
        #expect(host.state().liveOmitted?.names == ["b.example", "c.example"])
        #expect(host.state().acquisition == .idle)
        #expect(!host.state().isPending)
        host.wait(hours: 4)
        host.run()
        #expect(host.count("order") == 2, "nothing is ordered again before the next renewal")
    }

    @Test func `the next renewal orders every name again, and force does so at once`() throws {
        let host = try scenario()
        host.becomeDue()
        host.set { $0.refusedNames = ["b.example"] }
        host.run()
        #expect(names(host) == ["a.example", "c.example"])
        host.becomeDue()
        host.run()
        #expect(names(host) == ["a.example", "c.example"], "it is still refused")
        #expect(host.state().liveOmitted?.names == ["b.example"])
        host.only()
        host.force()
        #expect(Set(names(host)) == Set(OmittedNamesTests.all))
        #expect(host.state().omitted == nil)
    }

    @Test func `a failure that is about no name, or about all of them, leaves none out`() throws {
        let host = try scenario()
        host.becomeDue()
        host.set { $0.refusedNames = Set(OmittedNamesTests.all) }
        for failures in 1...3 {
            #expect(host.run().exitCode == 1)
            #expect(host.state().acquisition.retry?.failures == failures)
            host.wait(days: 2)
        }
        host.only { $0.validatesNothing = true }
        host.run()
        host.only()
        host.wait(days: 2)
        host.run()
        #expect(Set(names(host)) == Set(OmittedNamesTests.all))
    }

    @Test func `failures of what is left are counted, and its order is taken up`() throws {
        let host = try scenario()
        host.becomeDue()
        host.set { ($0.refusedNames, $0.signsSlowly) = (["b.example"], true) }
        for failures in 1...2 {
            host.run()
            #expect(host.state().acquisition.retry?.failures == failures)
            #expect(host.state().acquisition.order?.names == ["a.example", "c.example"])
            #expect(host.count("order") == 2)
            host.wait(days: 1)
        }
        host.only()
        #expect(host.run().exitCode == 0)
        #expect(host.count("order") == 2)
        #expect(host.state().liveOmitted?.names == ["b.example"])
    }

    @Test func `the back-off goes on to grow while an order takes the place of another`() throws {
        let host = try scenario()
        host.becomeDue()
        host.set { $0.refusedNames = Set(OmittedNamesTests.all) }
        host.run()
        host.wait(days: 1)
        host.only { ($0.refusedNames, $0.signsSlowly) = (["b.example"], true) }
        host.run()
        #expect(host.state().acquisition.retry?.failures == 2)
    }

    @Test func `what certbot renews with the same names keeps the missing one wanted`() throws {
        let host = try scenario()
        host.becomeDue()
        host.set { $0.refusedNames = ["b.example"] }
        host.run()
        host.only()
        let next = Leaf(
            sha256: "certbot's", serial: "9", names: host.leaf()?.names ?? [], notBefore: host.now,
            notAfter: host.now.addingTimeInterval(90 * 86_400))
        let found = host.state().applying(.found(next, number: 3, staged: nil), at: host.now).state
        #expect(found.liveOmitted?.names == ["b.example"])
        let fewer = Leaf(
            sha256: "an operator's", serial: "9", names: [SubjectName("c.example")!], notBefore: host.now,
            notAfter: host.now.addingTimeInterval(90 * 86_400))
        #expect(host.state().applying(.found(fewer, number: 3, staged: nil), at: host.now).state.liveOmitted == nil)
    }

    @Test func `a name that is wanted no more is not ordered any more`() throws {
        let host = try scenario()
        host.becomeDue()
        host.set { $0.refusedNames = ["b.example", "c.example"] }
        host.run()
        let state = host.state().applying(.namesForgotten(["b.example"]), at: host.now).state
        #expect(state.liveOmitted?.names == ["c.example"])
        #expect(state.applying(.namesForgotten(["c.example"]), at: host.now).state.omitted == nil)
    }
}
