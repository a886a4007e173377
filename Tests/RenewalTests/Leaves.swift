import FoundationEssentials
import PKI
import Rig

/// Certificates of a test's own, with the dates that it wants.
struct Leaves {
    private let ca: DatedCA

    static func with<R: Sendable>(_ body: (Leaves) async throws -> R) async throws -> R {
        try await TemporaryDirectory.with { try await body(Leaves(ca: DatedCA(in: $0))) }
    }

    /// A leaf that is valid from one day to another, counted from now.
    func leaf(_ names: String..., from: Int = -1, to: Int = 89) async throws -> Certificate {
        let path = try await ca.leaf(names, from: "\(from) days", to: "\(to) days")
        let pem = Array(try Data(contentsOf: URL(filePath: path)))
        guard let leaf = try Certificate.chain(pem: pem).first else { throw RigError("openssl wrote no certificate") }
        return leaf
    }
}
