package import FoundationEssentials
package import Lineages
import PKI

/// Names that a certificate goes without: the CA refused them, and the renewal config says that a certificate for the others is better
/// than none (`allow_subset_of_names`). They are ordered again with each renewal.
package struct OmittedNames: Codable, Equatable, Sendable, CustomStringConvertible {
    /// Sorted.
    package private(set) var names: [String]
    /// The names that the certificate is for.
    package let besides: [String]
    /// Why, in the CA's words.
    package let cause: Cause
    /// SHA-256 of the certificate, in hex; nil as long as there is none.
    private(set) var sha256: String?

    init(names: [String], besides: [String], cause: Cause) {
        (self.names, self.besides, self.cause) = (names, besides, cause)
    }

    /// The same of a certificate.
    func of(_ leaf: Leaf) -> OmittedNames {
        var omitted = self
        omitted.sha256 = leaf.sha256
        return omitted
    }

    package var description: String { "without \(names.joined(separator: ", ")): \(cause)" }

    /// What is left of it without some of the names; nil where nothing is.
    func without(_ unwanted: [String]) -> OmittedNames? {
        var rest = self
        rest.names.removeAll(where: unwanted.contains)
        return rest.names.isEmpty ? nil : rest
    }

    /// Whether a certificate that somebody else has installed goes without them as well: it may have them, or be for other names
    /// altogether.
    func areMissing(in leaf: Leaf) -> Bool {
        let found = Set(leaf.names.map(\.description))
        return found.isSuperset(of: besides) && !found.isSuperset(of: names)
    }
}

extension LineageState {
    /// The names that the installed certificate goes without.
    package var liveOmitted: OmittedNames? {
        omitted.flatMap { $0.sha256 == host.live.version?.sha256 ? $0 : nil }
    }
}

extension StateStore {
    /// Notes that names which the installed certificate of a lineage goes without are wanted no more.
    package func forget(_ names: [String], of lineage: Lineage, at now: Date) throws(FileError) {
        guard let state = state(of: lineage, at: now) else { return }
        try save(state.applying(.namesForgotten(names), at: now).state)
    }
}

extension Subject {
    /// The names that its renewals are to be for: those of the installed certificate, and those that it goes without.
    func wantedNames(_ state: LineageState) -> Set<String> { Set(domains + omittedNames(state)) }

    /// The names that a renewal orders beside those of the installed certificate.
    func omittedNames(_ state: LineageState) -> [String] {
        guard options?.allowsSubset == true else { return [] }
        return (state.liveOmitted?.names ?? []).filter { !domains.contains($0) }
    }
}

extension OrderRequest {
    /// The same without the names that the CA refuses; nil where the operator wants all, or none would be left.
    func without(_ refused: [String], because cause: Cause) -> OrderRequest? {
        let (left, gone) = (names.filter { !refused.contains($0) }, names.filter(refused.contains))
        guard allowsSubset, !left.isEmpty, !gone.isEmpty else { return nil }
        return leaving(left, OmittedNames(names: (gone + (omitted?.names ?? [])).sorted(), besides: left, cause: cause))
    }

    /// The same as an order that an earlier run has placed has it; nil where that is for other names altogether.
    func like(_ order: SavedOrder) -> OrderRequest? {
        if order.names == names.sorted(), order.omitted == nil { return self }
        guard allowsSubset, let omitted = order.omitted, order.wantedNames == Set(names) else { return nil }
        return leaving(names.filter(order.names.contains), omitted)
    }

    private func leaving(_ left: [String], _ omitted: OmittedNames) -> OrderRequest {
        OrderRequest(
            lineage: lineage, server: server, account: account, names: left, allowsSubset: true, omitted: omitted)
    }
}
