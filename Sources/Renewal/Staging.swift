package import Lineages
import PKI

/// The key and, once the CA has issued it, the chain of a certificate that is not installed yet.
package struct Staging: Sendable {
    let directory: String

    /// The staged key in PEM; nil where there is none.
    package var key: [UInt8]? { try? FileSystem.read("\(directory)/privkey.pem") }

    /// The staged chain in PEM; nil where there is none.
    package var chain: [UInt8]? { try? FileSystem.read("\(directory)/fullchain.pem") }

    /// The leaf of the staged chain; nil where there is none that can be read.
    package var leaf: Leaf? {
        guard let chain, let first = try? Certificate.chain(pem: chain).first else { return nil }
        return try? Leaf(first)
    }

    /// Keeps a key before it is ordered for.
    package func stage(key pem: [UInt8]) throws(FileError) {
        try clear()
        try FileSystem.makeDirectories(directory, mode: 0o700)
        try NewFile("\(directory)/privkey.pem", pem, mode: 0o600).commit()
    }

    /// Keeps a chain as soon as it is there.
    package func stage(chain pem: [UInt8]) throws(FileError) {
        try NewFile("\(directory)/fullchain.pem", pem, mode: 0o600).commit()
    }

    /// Keeps both.
    package func stage(_ set: CertificateSet) throws(FileError) {
        try stage(key: set.bytes(.privkey))
        try stage(chain: set.bytes(.fullchain))
    }

    /// Forgets what is staged.
    package func clear() throws(FileError) {
        for file in ["privkey.pem", "fullchain.pem"] { try FileSystem.remove("\(directory)/\(file)") }
    }
}
