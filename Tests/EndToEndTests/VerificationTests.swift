import FoundationEssentials
import Lineages
import PKI
import Renewal
import Rig
import Synchronization
import Testing

/// How long listeners are waited for, with a listener that is told what to show.
@Suite(.parts("openssl"))
struct VerificationTests {
    @Test func `a listener that answered before is waited for, whether it counts or not`() async throws {
        try await TemporaryDirectory.with { directory in
            let identity = try await ServerIdentity.make(in: directory, names: ["one.example"])
            let pem = try String(contentsOfFile: identity.certificate, encoding: .utf8)
            let leaf = try #require(try Certificate.chain(pem: Array(pem.utf8)).first)
            let settings = try VerificationSettings(lineage: nil, host: ConfFile())
            let places = settings.targets(for: leaf.names).map(\.target)
            // nginx is restarted, and does not listen for a moment.
            let looks = Mutex(0)
            let verification = Verification(clock: ContinuousClock()) { _, _, _ in
                let number = looks.withLock { looks in
                    looks += 1
                    return looks
                }
                return number <= 2 * places.count ? .unreachable("Connection refused") : .leaf(leaf, failure: nil)
            }
            let state = HostState()
            let first = await verification.wait(for: leaf, settings, state, nil, answeredBefore: [])
            #expect(first.matches.isEmpty, "nobody has to serve it here")
            let seen = await verification.wait(
                for: leaf, settings, state, nil, answeredBefore: Set(places))
            #expect(!seen.matches.isEmpty)
            #expect(looks.withLock(\.self) >= 3 * places.count)
        }
    }
}
