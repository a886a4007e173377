import FoundationEssentials
import Lineages
import PKI
import Testing

@testable import Renewal

/// What `--new-key` does with what an earlier run has begun.
struct NewKeyTests {
    private static let now = Date(timeIntervalSince1970: 1_800_000_000)

    @Test(arguments: [false, true], [false, true])
    func `an order and a certificate for a key of an earlier run are given up, and finished without it`(
        isIssued: Bool, makesNewKeys: Bool
    ) throws {
        let now = NewKeyTests.now
        let leaf = Leaf(
            sha256: "aa", serial: "01", names: [.dns("a.example")], notBefore: now,
            notAfter: now.addingTimeInterval(90 * 86_400))
        let order = SavedOrder(
            url: "https://ca.example/order/1", server: "https://ca.example/dir", names: ["a.example"],
            need: .forced(live: "aa"), placedAt: now, expires: nil)
        var state = LineageState(name: "a.example").applying(.found(leaf, number: 1, staged: nil), at: now).state
        state = state.applying(.orderPlaced(order), at: now).state
        if isIssued { state = state.applying(.issued, at: now).state }
        let text = "[renewalparams]\nauthenticator = webroot\nkey_type = ecdsa\n"
        let subject = Subject(
            name: "a.example", leaf: leaf, number: 1,
            options: try RenewalOptions(ConfFile(bytes: Array(text.utf8)), defaults: CLIDefaults([])),
            commands: HookCommands(), livePath: "/live/a.example")
        var exceptions = RunExceptions()
        exceptions.makesNewKeys = makesNewKeys
        let plan = Planner(.renew(isForced: false), isExplicit: true, exceptions: exceptions).plan(
            subject, state, staged: (hasKey: true, hasChain: isIssued, leaf: isIssued ? leaf : nil), at: now)
        #expect(plan.endsAcquisition == makesNewKeys)
        #expect(plan.remarks.isEmpty != makesNewKeys)
        let need = makesNewKeys ? Need.due(live: "aa") : .forced(live: "aa")
        #expect(plan.acquire == .order(need, because: "begun earlier"))
    }
}
