import FoundationEssentials
import Lineages
import PKI
import Rig
import Testing

@testable import Renewal

/// The limits of Let's Encrypt that an operator's order may meet besides that of its exact names.
@Suite(.parts("openssl"))
struct AuthorityBudgetTests {
    @Test(arguments: [(48, 298, false), (49, 0, true), (0, 299, true)])
    func `the last certificate or order takes a yes`(certificates: Int, orders: Int, isLow: Bool) {
        let budget = AuthorityBudget(domain: "example.org", certificates: certificates, orders: orders)
        #expect(budget.isLow == isLow)
        #expect(
            budget.refusal.message.hasPrefix(
                "not ordered: \(certificates) of 50 certificates for example.org in the last 7 days, \(orders) of 300 orders"
            ))
    }

    @Test func `certificates of all lineages and orders of the last hours are counted, for Let's Encrypt`() async throws
    {
        try await TemporaryDirectory.with { directory in
            let ca = try await DatedCA(in: directory)
            let tree = "\(directory)/letsencrypt"
            for name in ["a.example", "b.a.example", "other.example"] { try await ca.addLineage(name, tree: tree) }
            let lineages = try Tree(tree).lineages()
            let server = RenewalOptions.defaultServer
            #expect(lineages.allSatisfy { $0.options?.server == server })
            let (store, now) = (StateStore(stateDirectory: "\(directory)/state"), Date.now)
            var state = AuthorityState()
            for _ in 0..<3 { state.noteOrder(at: now) }
            try FileSystem.makeDirectories("\(directory)/state", mode: 0o700)
            try store.save([server: state])
            let names = [SubjectName.dns("www.a.example"), .dns("nothing.example")]
            let budget = AuthorityBudget(names, at: server, among: lineages, store: store, at: now)
            #expect(budget == AuthorityBudget(domain: "a.example", certificates: 2, orders: 3))
            #expect(AuthorityBudget(names, at: "https://ca.example/dir", among: lineages, store: store, at: now) == nil)
        }
    }
}
