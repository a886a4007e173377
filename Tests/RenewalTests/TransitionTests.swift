import FoundationEssentials
import PKI
import Testing

@testable import Renewal

private let now = Date(timeIntervalSince1970: 1_800_000_000)
private let day: TimeInterval = 86_400

private func leaf(_ name: String, from start: Double = -60, to end: Double = 30) -> Leaf {
    Leaf(
        sha256: name, serial: name, names: [], notBefore: now.addingTimeInterval(start * day),
        notAfter: now.addingTimeInterval(end * day))
}

private let (old, new, other) = (leaf("old"), leaf("new", from: 0, to: 90), leaf("other", from: -1, to: 89))
private let target = ProbeTarget(endpoint: TLSEndpoint("127.0.0.1:443")!, name: "a.example")
private let predecessor = Predecessor(number: 1, sha256: "old", answered: [target], passedChecks: false)
private let due = Need.due(live: "old")
private let trouble = Cause(.unreachable, "the CA does not answer", isTemporary: true)
private let broken = Cause(.brokenHandshake, "127.0.0.1:443 fails the handshake")

private func order(_ need: Need = due, expires: Double = 7) -> SavedOrder {
    SavedOrder(
        url: "https://ca.example/1", server: "https://ca.example/dir", names: ["a.example"], need: need, placedAt: now,
        expires: now.addingTimeInterval(expires * day))
}

private func probes(_ verdict: Verdict) -> ProbeReport {
    ProbeReport([ProbeReport.Observation(target: target, isRequired: true, verdict: verdict)])
}

/// A lineage in short: how far the CA, live/, a switch, the quarantine and the rollout are.
private struct Picture: Equatable, CustomStringConvertible {
    var acquisition = "idle"
    var live = "unknown"
    var move = "-"
    var quarantine = "-"

    init(_ live: String) { self.live = live }

    init(_ acquisition: String, _ live: String, move: String = "-", quarantine: String = "-") {
        (self.acquisition, self.live, self.move, self.quarantine) = (acquisition, live, move, quarantine)
    }

    init(_ state: LineageState) {
        switch state.acquisition {
        case .idle: acquisition = "idle"
        case .failing(_, let retry): acquisition = "failing \(retry.failures)"
        case .ordered(let order, let retry):
            acquisition =
                "ordered" + (order.isFinalizing ? " finalizing" : "")
                + (order.refusals > 0 ? " refused \(order.refusals)" : "")
                + (retry.map { " failed \($0.failures)" } ?? "")
        case .issued(_, _, let retry): acquisition = "issued" + (retry.map { " failed \($0.failures)" } ?? "")
        }
        switch state.host.live {
        case .unknown: live = "unknown"
        case .adopted(let version): live = "adopted \(version.sha256)"
        case .installed(let version, let rollout):
            live =
                "\(version.sha256)" + (rollout.trial.predecessor.map { " after \($0.sha256)" } ?? "")
                + (rollout.deployedAt == nil ? "" : " deployed") + (rollout.verifiedAt == nil ? "" : " verified")
                + (rollout.trouble.map { " \($0.code.rawValue)" } ?? "")
                + (rollout.retry.map { " failed \($0.failures)" } ?? "")
        }
        switch state.host.move {
        case nil: move = "-"
        case .forward(let target, _): move = "to \(target)"
        case .back(_, let target, _): move = "back to \(target)"
        }
        quarantine = state.host.quarantine.map { "\($0.sha256) \($0.retry.failures)" } ?? "-"
    }

    var description: String { "[\(acquisition) | \(live) | \(move) | \(quarantine)]" }
}

/// A way that a lineage takes, with the picture that it ends in and the effects of its last step.
private struct Way: Sendable, CustomTestStringConvertible {
    let name: String
    let events: [StateEvent]
    let picture: Picture
    let effects: [StateEffect]

    init(_ name: String, _ events: [StateEvent], _ picture: Picture, _ effects: [StateEffect] = []) {
        (self.name, self.events, self.picture, self.effects) = (name, events, picture, effects)
    }

    var testDescription: String { name }
}

private let served: [StateEvent] = [.found(old, number: 1, staged: nil), .adopted(matches: [target])]
private let placed: [StateEvent] = served + [.orderPlaced(order())]
private let issued: [StateEvent] = placed + [.finalizing, .issued]
private let switched: [StateEvent] = issued + [.switching(to: "new", predecessor: predecessor)]
private let installed: [StateEvent] = switched + [.installed(new, number: 2)]
private let rolledBack: [StateEvent] =
    installed + [
        .rollingBack(new, from: 2, to: predecessor, broken, jitter: 0), .installed(old, number: 1),
        .rolledBack(isProven: true, isRolledOut: true),
    ]

private func failed(
    _ verdict: AcquisitionFailure.Verdict, _ rule: RetryRule = .backedOff(jitter: 0.5, remaining: 30 * day),
    need: Need = due
) -> StateEvent {
    .acquisitionFailed(AcquisitionFailure(trouble, verdict), need: need, retry: rule)
}

private let failure = StateEffect.note(.failed, error: "the CA does not answer")
private func abandoned(refusals: Int = 0, expires: Double = 7, need: Need = due) -> StateEffect {
    var order = order(need, expires: expires)
    order.refusals = refusals
    return .abandonOrder(order)
}

private let ways: [Way] = [
    // What is found.
    Way("a lineage that is new here is adopted", [.found(old, number: 1, staged: nil)], Picture("adopted old")),
    Way(
        "an adopted lineage that is served is verified", served, Picture("old deployed verified"),
        [.note(.adopted, error: nil)]),
    Way(
        "an adopted lineage that nothing serves is deployed",
        [.found(old, number: 1, staged: nil), .adopted(matches: [])], Picture("old deployed"),
        [.note(.adopted, error: nil)]),
    Way(
        "what is found again changes nothing", served + [.found(old, number: 1, staged: nil)],
        Picture("old deployed verified")),
    Way(
        "what certbot has renewed is adopted", served + [.found(other, number: 2, staged: nil)],
        Picture("adopted other")),
    Way(
        "what certbot has renewed ends the order for the one before",
        placed + [.found(other, number: 2, staged: nil)], Picture("adopted other"), [.clearStaging, abandoned()]),
    Way(
        "what certbot has renewed ends the failures before it",
        served + [failed(.keeps), .found(other, number: 2, staged: nil)], Picture("adopted other")),
    Way(
        "what certbot has renewed leaves no quarantine",
        rolledBack + [.found(other, number: 3, staged: nil)], Picture("adopted other"), [.discardQuarantine]),
    // Order and certificate.
    Way("an order is in flight", placed, Picture("ordered", "old deployed verified")),
    Way(
        "the request is about to be handed in", placed + [.finalizing],
        Picture("ordered finalizing", "old deployed verified")),
    Way("key and chain are staged", issued, Picture("issued", "old deployed verified")),
    Way(
        "the CA's trouble keeps the order", placed + [failed(.keeps)],
        Picture("ordered failed 1", "old deployed verified"), [failure]),
    Way(
        "a refusal counts against the order", placed + [failed(.countsAgainst)],
        Picture("ordered refused 1 failed 1", "old deployed verified"), [failure]),
    Way(
        "three refusals give it up", placed + [failed(.countsAgainst), failed(.countsAgainst), failed(.countsAgainst)],
        Picture("failing 3", "old deployed verified"), [.clearStaging, abandoned(refusals: 2), failure]),
    Way(
        "network trouble between them does not count",
        placed + [failed(.countsAgainst), failed(.keeps), failed(.countsAgainst)],
        Picture("ordered refused 2 failed 3", "old deployed verified"), [failure]),
    Way(
        "an order that the CA has no more is given up", placed + [failed(.ends)],
        Picture("failing 1", "old deployed verified"), [.clearStaging, abandoned(), failure]),
    Way(
        "an order that has expired is not kept",
        served + [.orderPlaced(order(expires: -1)), failed(.keeps)],
        Picture("failing 1", "old deployed verified"), [.clearStaging, abandoned(expires: -1), failure]),
    Way(
        "failures go on to be counted with the next order", served + [failed(.keeps), .orderPlaced(order())],
        Picture("ordered failed 1", "old deployed verified")),
    Way(
        "an order that another takes the place of is abandoned", placed + [.orderReplaced(need: due)],
        Picture("idle", "old deployed verified"), [.clearStaging, abandoned()]),
    Way(
        "and what has failed before goes on to be counted", placed + [failed(.keeps), .orderReplaced(need: due)],
        Picture("failing 1", "old deployed verified"), [.clearStaging, abandoned()]),
    Way(
        "an interruption leaves everything where it was",
        placed + [
            .acquisitionFailed(AcquisitionFailure(Cause(.interrupted, "interrupted")), need: due, retry: .nextRun)
        ], Picture("ordered", "old deployed verified")),
    Way(
        "a forced attempt that has failed is history",
        served + [.orderPlaced(order(.forced(live: "old"))), failed(.keeps, .none, need: .forced(live: "old"))],
        Picture("old deployed verified"), [.clearStaging, abandoned(need: .forced(live: "old")), failure]),
    Way(
        "a forced order that may have been finalized is kept",
        served + [
            .orderPlaced(order(.forced(live: "old"))), .finalizing, failed(.keeps, .none, need: .forced(live: "old")),
        ], Picture("ordered finalizing failed 1", "old deployed verified"), [failure]),
    Way(
        "what is issued and not fit now stays issued",
        issued + [.installationFailed(trouble, need: due, keepsStaged: true, retry: .nextRun)],
        Picture("issued failed 1", "old deployed verified"), [failure]),
    Way(
        "what is issued and never fit is dropped",
        issued + [.installationFailed(trouble, need: due, keepsStaged: false, retry: .nextRun)],
        Picture("failing 1", "old deployed verified"), [.clearStaging, failure]),
    // The switch.
    Way("a switch is announced", switched, Picture("issued", "old deployed verified", move: "to new")),
    Way(
        "a switch that was not come to is forgotten", switched + [.found(old, number: 1, staged: "new")],
        Picture("issued", "old deployed verified")),
    Way("what is installed is on trial", installed, Picture("new after old"), [.clearStaging]),
    Way(
        "a run that was killed after the switch has installed it", switched + [.found(new, number: 2, staged: "new")],
        Picture("new after old"), [.clearStaging]),
    Way(
        "where the switch was not written down, what is staged tells", issued + [.found(new, number: 2, staged: "new")],
        Picture("new"), [.clearStaging]),
    Way(
        "another one's switch is not ours", switched + [.found(other, number: 2, staged: "new")],
        Picture("adopted other"),
        [.clearStaging]),
    // The rollout.
    Way(
        "what is served is verified and has passed",
        installed + [.rolloutEnded(hooks: [], probes: probes(.match), jitter: 0)], Picture("new deployed verified"),
        [.note(.deployed, error: nil), .note(.verified, error: nil)]),
    Way(
        "what is stale is pending",
        installed + [.rolloutEnded(hooks: [], probes: probes(.stale(serial: "old")), jitter: 0)],
        Picture("new after old deployed stale failed 1"),
        [
            .note(.deployed, error: nil),
            .note(.failed, error: "127.0.0.1:443 still serves the old certificate (serial old) for a.example"),
        ]),
    Way(
        "a rollout and an acquisition fail apart from each other",
        installed + [
            .rolloutEnded(hooks: [], probes: probes(.stale(serial: "old")), jitter: 0),
            failed(.keeps, need: .due(live: "new")),
        ], Picture("failing 1", "new after old deployed stale failed 1"), [failure]),
    Way(
        "an interruption before the probes notes hooks only", installed + [.rolloutInterrupted(hooks: [])],
        Picture("new after old deployed"), [.note(.deployed, error: nil)]),
    // The way back.
    Way(
        "a version that breaks is quarantined before anything changes",
        installed + [.rollingBack(new, from: 2, to: predecessor, broken, jitter: 0)],
        Picture("idle", "new after old", move: "back to old", quarantine: "new 1")),
    Way(
        "a run that was killed before the switch back goes on back",
        installed + [
            .rollingBack(new, from: 2, to: predecessor, broken, jitter: 0), .found(new, number: 2, staged: nil),
        ], Picture("idle", "new after old", move: "back to old", quarantine: "new 1")),
    Way(
        "a run that was killed after the switch back goes on back",
        installed + [
            .rollingBack(new, from: 2, to: predecessor, broken, jitter: 0), .found(old, number: 1, staged: nil),
        ], Picture("idle", "old", move: "back to old", quarantine: "new 1")),
    Way(
        "the predecessor is in place", rolledBack, Picture("idle", "old", quarantine: "new 1"),
        [.note(.rolledBack, error: broken.message)]),
    Way(
        "a predecessor that no hook has run for is probed first",
        installed + [
            .rollingBack(new, from: 2, to: predecessor, broken, jitter: 0), .installed(old, number: 1),
            .rolledBack(isProven: true, isRolledOut: false),
        ], Picture("idle", "adopted old", quarantine: "new 1"), [.note(.rolledBack, error: broken.message)]),
    Way(
        "a version that was not what is wrong stays",
        installed + [
            .rollingBack(new, from: 2, to: predecessor, broken, jitter: 0), .installed(old, number: 1), .exonerated,
            .installed(new, number: 2),
        ],
        Picture("new")),
    Way(
        "what is quarantined comes back on trial",
        rolledBack + [.switching(to: "new", predecessor: predecessor), .installed(new, number: 2)],
        Picture("idle", "new after old", quarantine: "new 1")),
    Way(
        "what is quarantined and breaks again is counted",
        rolledBack + [
            .switching(to: "new", predecessor: predecessor), .installed(new, number: 2),
            .rollingBack(new, from: 2, to: predecessor, broken, jitter: 0),
        ], Picture("idle", "new after old", move: "back to old", quarantine: "new 2")),
    Way(
        "what is quarantined and served now is free",
        rolledBack + [
            .switching(to: "new", predecessor: predecessor), .installed(new, number: 2),
            .rolloutEnded(hooks: [], probes: probes(.match), jitter: 0),
        ], Picture("new deployed verified"),
        [.note(.deployed, error: nil), .note(.verified, error: nil), .discardQuarantine]),
]

/// The transitions of a lineage's state, one line each.
struct TransitionTests {
    @Test(arguments: ways)
    fileprivate func `a lineage goes its way`(way: Way) {
        var state = LineageState(name: "a.example")
        var effects: [StateEffect] = []
        for event in way.events { (state, effects) = state.applying(event, at: now) }
        #expect(Picture(state) == way.picture)
        #expect(effects == way.effects)
    }

    @Test func `every state survives its file`() throws {
        for way in ways {
            var state = LineageState(name: "a.example")
            for event in way.events { (state, _) = state.applying(event, at: now) }
            let data = try JSONEncoder.state.encode(state)
            #expect(try JSONDecoder.state.decode(LineageState.self, from: data) == state, "\(way.name)")
        }
    }

    @Test(arguments: [
        // Remaining days, seconds asked, whether it is a limit, seconds waited after the first failure.
        (6.0, 691_200.0, false, 51_840.0), (0.1, 691_200, false, 3600), (60, 691_200, false, 518_400),
        (6, 691_200, true, 86_400), (-1, 7200, true, 7200), (6, 10, false, 60), (6, 0, false, 60),
    ])
    func `a CA's wish is kept within what remains of the lifetime`(
        remaining: Double, asked: Double, isLimit: Bool, delay: Double
    ) {
        #expect(
            Backoff.delay(afterFailures: 1, jitter: 0.5, asked: asked, isLimit: isLimit, remaining: remaining * day)
                == delay)
    }

    @Test func `extreme numbers in a file neither trap nor wait for ever`() throws {
        var state = LineageState(name: "a.example")
        for event in served + [failed(.keeps)] { (state, _) = state.applying(event, at: now) }
        var text = String(decoding: try JSONEncoder.state.encode(state), as: UTF8.self)
        text.replace("\"failures\" : 1", with: "\"failures\" : 9223372036854775807")
        let huge = try JSONDecoder.state.decode(LineageState.self, from: Data(text.utf8))
        let next = huge.applying(failed(.keeps), at: now).state
        #expect(next.acquisition.retry?.failures == Retry.most)
        #expect(next.acquisition.retry?.wait(at: now) != nil)
    }
}
