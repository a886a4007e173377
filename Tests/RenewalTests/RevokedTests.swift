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
            let store = StateStore(stateDirectory: "\(directory)/state")
            #expect(store.revoked() == RevokedCertificates())
            try store.note(revoked: first, .superseded, stagedFor: nil, at: Date.now)
            #expect(store.revoked().bars(first) && !store.revoked().bars(second))
            #expect(!store.revoked().isCompromised(keyAt: "\(directory)/leaf.key"))

            let key = Array(try Data(contentsOf: URL(filePath: "\(directory)/leaf.key")))
            try store.staging("a.example").stage(key: key)
            try store.note(revoked: first, .keyCompromise, stagedFor: "a.example", at: Date.now)
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
            try store.note(revoked: first, .keyCompromise, stagedFor: nil, at: Date.now)
            let barred = store.revoked().barred(in: "\(tree)/archive/b.example")
            #expect(barred == [try first.sha256(), try second.sha256()])

            try Data("{".utf8).write(to: URL(filePath: "\(directory)/state/revoked.json"))
            #expect(store.revoked() == RevokedCertificates())
            #expect(throws: FileError.self) {
                try store.note(revoked: second, .superseded, stagedFor: nil, at: Date.now)
            }
        }
    }
}
