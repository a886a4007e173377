import FoundationEssentials
import Lineages
import PKI
import Rig
import Testing

@testable import Renewal

/// What the state files of certctl 0.1.0 are read as, whatever stage it left them in.
struct SchemaOneTests {
    /// The state that a file is read as.
    private func state(_ text: String) async throws -> LineageState {
        let knowledge = try await knowledge(text)
        guard case .known(let state) = knowledge else {
            Issue.record("\(knowledge)")
            return LineageState(name: "a.example")
        }
        return state
    }

    private func knowledge(_ text: String) async throws -> StateStore.Knowledge {
        try await TemporaryDirectory.with { directory in
            try FileSystem.makeDirectories("\(directory)/lineages", mode: 0o700)
            try NewFile("\(directory)/lineages/a.example.json", Array(text.utf8), mode: 0o600).commit()
            return StateStore(stateDirectory: directory).knowledge(of: "a.example")
        }
    }

    private let target = ProbeTarget(endpoint: TLSEndpoint("127.0.0.1:443")!, name: "a.example")

    @Test func `what was adopted is still to be probed`() async throws {
        let state = try await state(SchemaOneFiles.adopted)
        guard case .adopted(let version) = state.host.live else {
            Issue.record("\(state.host.live)")
            return
        }
        #expect(version.number == 1)
        #expect(state.acquisition == .idle && !state.isPending)
    }

    @Test func `what was verified is verified`() async throws {
        let state = try await state(SchemaOneFiles.verified)
        #expect(state.stage == .verified)
        #expect(state.acquisition == .idle && state.host.move == nil && state.host.quarantine == nil)
        #expect(state.host.served == [target])
        #expect(state.host.notified == .clear(unheard: []) && !state.isPending && state.retry == nil)
    }

    @Test func `an order is taken up`() async throws {
        let state = try await state(SchemaOneFiles.ordered)
        let order = try #require(state.acquisition.order)
        #expect(order.url == "https://ca.example/order/1" && order.server == "https://ca.example/dir")
        #expect(order.names == ["a.example"] && order.refusals == 0)
        #expect(order.need == .due(live: state.host.live.version?.sha256))
        #expect(!order.hasExpired(at: .now))
        #expect(state.acquisition.retry == nil && state.stage == .ordered)
    }

    @Test func `a failure of the order is the CA's, and none of the rollout`() async throws {
        let state = try await state(SchemaOneFiles.orderedAndFailed)
        #expect(state.acquisition.retry?.failures == 1)
        #expect(state.acquisition.retry?.cause.message == "the CA does not answer")
        #expect(state.acquisition.retry?.cause.isTemporary == true)
        #expect(state.host.live.rollout?.retry == nil && !state.host.isRolloutPending)
    }

    @Test(arguments: [SchemaOneFiles.issued, SchemaOneFiles.announced])
    func `what was issued is to be installed`(text: String) async throws {
        let state = try await state(text)
        #expect(state.acquisition.isIssued && state.acquisition.retry == nil)
        #expect(state.host.move == nil && state.host.live.version?.number == 1)
    }

    @Test func `a version whose hook has failed is pending`() async throws {
        let state = try await state(SchemaOneFiles.installedWithFailedHook)
        let rollout = try #require(state.host.live.rollout)
        #expect(state.host.isRolloutPending && state.acquisition == .idle)
        #expect(rollout.failedHooks.map(\.identity) == ["/etc/letsencrypt/renewal-hooks/post/10-reload"])
        #expect(rollout.failedHooks.first?.failures == 1)
        #expect(rollout.trouble?.message == "127.0.0.1:443 still serves the old certificate")
        #expect(rollout.retry?.failures == 1)
        #expect(rollout.trial.predecessor?.number == 1)
        #expect(
            state.host.notified == .failure(unheard: ["/etc/letsencrypt/renewal-hooks/failure/10-mail"]))
    }

    @Test func `what was deployed is deployed, and what was verified then is verified`() async throws {
        let deployed = try await state(SchemaOneFiles.deployed)
        #expect(deployed.stage == .deployed && !deployed.isPending)
        #expect(deployed.host.earlier.count == 1)
        let verified = try await state(SchemaOneFiles.deployedAndVerified)
        #expect(verified.stage == .verified && !verified.isPending)
    }

    @Test func `a version on trial is judged by the one that it has replaced`() async throws {
        let state = try await state(SchemaOneFiles.onTrial)
        let predecessor = try #require(state.host.live.rollout?.trial.predecessor)
        #expect(predecessor.number == 1 && predecessor.answered == [target] && predecessor.passedChecks)
        #expect(predecessor.sha256 == state.host.earlier.last)
        #expect(state.isPending)
    }

    @Test func `a rollback that was cut short is finished`() async throws {
        let state = try await state(SchemaOneFiles.goingBack)
        #expect(state.host.move == .back(number: 1, to: try #require(state.host.earlier.last), from: 2))
        #expect(state.host.quarantine?.sha256 == state.host.live.version?.sha256)
        #expect(state.host.quarantine?.isProven == false)
    }

    @Test func `what was rolled back is quarantined`() async throws {
        let state = try await state(SchemaOneFiles.held)
        let held = try #require(state.host.quarantine)
        #expect(held.isProven && state.host.move == nil && held.retry.failures == 1)
        #expect(held.retry.cause.message == "127.0.0.1:443 fails the handshake")
        #expect(state.host.live.version?.number == 1 && state.stage == .verified)
        #expect(state.acquisition == .idle && state.host.notified.isFailure)
        #expect(state.host.live.rollout?.retry == nil)
    }

    @Test func `a failing CA is a failing acquisition`() async throws {
        let state = try await state(SchemaOneFiles.failing)
        guard case .failing(let need, let retry) = state.acquisition else {
            Issue.record("\(state.acquisition)")
            return
        }
        #expect(need == .due(live: state.host.live.version?.sha256))
        #expect(retry.failures == 1 && retry.cause.isTemporary)
        #expect(!state.isPending && state.stage == .verified && state.host.notified.isFailure)
    }

    @Test func `a CA's wish of eight days does not outlive the version that kept it`() async throws {
        let file = try #require(SchemaOneFiles.failing.firstRange(of: "\"nextAttempt\" : \""))
        var text = SchemaOneFiles.failing
        let end = try #require(text[file.upperBound...].firstIndex(of: "\""))
        text.replaceSubrange(
            file.upperBound..<end, with: Date.now.addingTimeInterval(8 * Backoff.day).formatted(.iso8601))
        #expect(try await state(text).acquisition.retry?.wait(at: .now) == nil)
    }

    @Test func `every state of 0.1.0 is written in the format of today`() async throws {
        for text in SchemaOneFiles.all {
            let state = try await state(text)
            let data = try JSONEncoder.state.encode(state)
            let format = String(decoding: data, as: UTF8.self)
            #expect(format.contains("\"schema\" : 2"))
            #expect(try JSONDecoder.state.decode(LineageState.self, from: data).stage == state.stage)
        }
    }

    @Test(arguments: [
        ("{\"schema\" : 3, \"name\" : \"a.example\"}", "newer"), ("{\"schema\" : 2}", "damaged"),
        ("{\"schema\" : 1, \"installed\" : 7}", "damaged"), ("{\"schema\" : 0}", "damaged"), ("", "damaged"),
        ("{\"schema\" : 1, \"na", "damaged"), ("\u{0}\u{0}\u{0}\u{0}", "damaged"), ("[]", "damaged"),
    ])
    func `what cannot be read is unreadable, and says why`(text: String, reason: String) async throws {
        let knowledge = try await knowledge(text)
        guard case .unreadable(let why) = knowledge else {
            Issue.record("\(knowledge)")
            return
        }
        #expect(why.contains(reason))
    }
}
