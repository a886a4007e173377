import PKI

/// The files of one version, or those that `live/NAME` shows, as far as they can be read.
package struct RepairMaterial: Sendable {
    /// Where the files are.
    package enum Place: Hashable, Sendable, CustomStringConvertible {
        case version(Int)
        /// What the four paths of live/ lead to.
        case live

        package var description: String {
            switch self {
            case .version(let number): "what can be used of version \(number)"
            case .live: "the files in live/"
            }
        }
    }

    package let place: Place
    package let files: [PEMKind: [UInt8]]

    /// Leaves with the certificates above them: from fullchain, and from cert and chain where those have another one.
    let chains: [[Certificate]]
    let key: PrivateKey?
    /// Whether the four files fit each other as they are.
    let isWhole: Bool

    package init(_ place: Place, _ files: [PEMKind: [UInt8]]) {
        (self.place, self.files) = (place, files)
        func certificates(_ kind: PEMKind) -> [Certificate] {
            files[kind].flatMap { try? Certificate.chain(pem: $0) } ?? []
        }
        let (cert, fullchain, rest) = (certificates(.cert), certificates(.fullchain), certificates(.chain))
        key = files[.privkey].flatMap { try? PrivateKey(pem: $0) }
        let pair = cert.first.map { [$0] + rest } ?? []
        chains = (fullchain.first?.der == cert.first?.der ? [fullchain] : [fullchain, pair]).filter { !$0.isEmpty }
        let isChainRead = !rest.isEmpty || fullchain.count == 1 && files[.chain] != nil
        guard let leaf = cert.first, leaf.der == fullchain.first?.der, isChainRead, let key else {
            isWhole = false
            return
        }
        isWhole = key.fits(leaf)
    }

    /// The leaf, where a certificate can be read.
    var leaf: Certificate? { chains.first?.first }
}
