import ACME
import FoundationEssentials
import Lineages
import PKI
import Rig
import Testing

@testable import Renewal

/// What is kept of a revocation, and what it keeps from being installed.
@Suite(.parts("openssl"))
struct RevokedTests {
    @Test func `a revoked certificate is barred, and with a compromised key every one for that key`() async throws {
        try await TemporaryDirectory.with { directory in
            let ca = try await DatedCA(in: directory)
            // All its leaves have the one key.
            func leaf() async throws -> Certificate {
                let pem = Array(try Data(contentsOf: URL(filePath: try await ca.leaf(["a.example"]))))
                return try #require(try Certificate.chain(pem: pem).first)
            }
            let (first, second) = (try await leaf(), try await leaf())
            try await ca.addLineage("a.example", tree: "\(directory)/letsencrypt")
            let lineages = try Tree("\(directory)/letsencrypt").lineages()
            let store = StateStore(stateDirectory: "\(directory)/state")
            #expect(store.revoked() == RevokedCertificates())
            try store.note(revoked: first, .superseded, of: nil, among: lineages, by: .manual, at: Date.now)
            #expect(store.state(of: lineages[0], at: Date.now) == nil)
            #expect(store.revoked().bars(first) && !store.revoked().bars(second))
            #expect(!store.revoked().isCompromised(keyAt: "\(directory)/leaf.key"))

            let key = Array(try Data(contentsOf: URL(filePath: "\(directory)/leaf.key")))
            try store.staging("a.example").stage(key: key)
            try store.note(revoked: first, .keyCompromise, of: nil, among: lineages, by: .manual, at: Date.now)
            #expect(
                store.state(of: lineages[0], at: Date.now)?.liveRevocation == "keyCompromise", "its key is the same")
            #expect(store.staging("a.example").key == nil, "an order in the making would use the key again")
            #expect(store.revoked().certificates.map(\.reason) == ["keyCompromise"])
            #expect(store.revoked().bars(second))
            #expect(store.revoked().isCompromised(keyAt: "\(directory)/leaf.key"))

            let type = KeyType.ec(.p256)
            let source = Certification.KeySource.replace(path: "\(directory)/leaf.key", type)
            let (old, new) = (try PrivateKey(pem: key), try source.make())
            #expect(!source.takes(old) && source.takes(new) && !new.fits(first))
        }
    }

    @Test func `an archive's barred versions are found, and a damaged record is not written over`() async throws {
        try await TemporaryDirectory.with { directory in
            let ca = try await DatedCA(in: directory)
            let tree = "\(directory)/letsencrypt"
            for name in ["a.example", "b.example"] { try await ca.addLineage(name, tree: tree) }
            let lineages = try Tree(tree).lineages()
            let (first, second) = (try #require(lineages[0].certificate), try #require(lineages[1].certificate))
            let store = StateStore(stateDirectory: "\(directory)/state")
            let all = lineages
            try store.note(revoked: first, .keyCompromise, of: all[0], among: all, by: .manual, at: Date.now)
            let events = try History(stateDirectory: "\(directory)/state").events()
            #expect(events.map(\.event) == [.revoked] && events[0].from == first.serial, "\(events)")
            let barred = store.revoked().barred(in: "\(tree)/archive/b.example")
            #expect(barred == [try first.sha256(), try second.sha256()])

            try Data("{".utf8).write(to: URL(filePath: "\(directory)/state/revoked.json"))
            let damaged = store.revoked()
            #expect(damaged.damage?.hasSuffix("revoked.json is damaged") == true)
            #expect(damaged.bars(second), "what may be revoked is not installed again")
            #expect(damaged.isCompromised(keyAt: "\(tree)/live/b.example/privkey.pem"))
            #expect(throws: FileError.self) {
                try store.note(revoked: second, .superseded, of: nil, among: lineages, by: .manual, at: Date.now)
            }
        }
    }

    @Test func `a revoked certificate is due whatever its dates say, until another one is installed`() throws {
        let now = Date(timeIntervalSince1970: 1_800_000_000)
        func leaf(_ sha256: String) -> Leaf {
            Leaf(
                sha256: sha256, serial: sha256, names: [.dns("a.example")], notBefore: now,
                notAfter: now.addingTimeInterval(90 * 86_400))
        }
        let adopted = LineageState(name: "a.example").applying(.found(leaf("aa"), number: 1, staged: nil), at: now)
            .state
        let revoked = adopted.applying(.revoked(RevokedVersion(sha256: "aa", reason: "superseded", at: now)), at: now)
            .state
        #expect(adopted.liveRevocation == nil && revoked.liveRevocation == "superseded")
        func decision(_ state: LineageState, _ sha256: String, _ line: String = "") throws -> RenewalPolicy.Decision {
            let text = "[renewalparams]\nauthenticator = webroot\nkey_type = ecdsa\n\(line)\n"
            let options = try RenewalOptions(ConfFile(bytes: Array(text.utf8)), defaults: CLIDefaults([]))
            return RenewalPolicy().decision(
                for: leaf(sha256), of: "a.example", options: options, state, nextRun: nil, at: now)
        }
        #expect(try decision(revoked, "aa") == .renew(because: .revoked("superseded")))
        #expect(try decision(revoked, "aa", "autorenew = False") == .never(because: .autorenewOff))
        guard case .wait = try decision(adopted, "aa"), case .wait = try decision(revoked, "bb") else {
            Issue.record("due")
            return
        }
        let next = revoked.applying(.found(leaf("bb"), number: 2, staged: nil), at: now).state
        #expect(next.revoked == nil)
        let decoded = try JSONDecoder.state.decode(LineageState.self, from: JSONEncoder.state.encode(revoked))
        #expect(decoded == revoked)
    }
}
