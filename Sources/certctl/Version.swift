import CLinux
import HTTP
import PKI

/// What this program calls itself.
enum Version {
    static let number = "0.2.0"

    /// What `--version` prints: also what a bug report needs of the libraries, which are the system's.
    static var line: String {
        "certctl \(number) (\(commit.map { "commit \($0)" } ?? "unknown commit")), OpenSSL \(OpenSSLLibrary.version), libcurl \(CurlTransport.libraryVersion)"
    }

    /// The commit that this was built of; nil for any build but that of `make release`, which passes it to the compiler.
    static var commit: String? {
        let name = unsafe String(cString: certctl_commit())
        return name.isEmpty ? nil : name
    }
}
