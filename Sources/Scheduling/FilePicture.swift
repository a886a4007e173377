import Lineages
import PKI

/// What stood at a path: enough to tell whether it still does, and to put it back.
struct FilePicture: Codable, Equatable, Sendable {
    enum Content: Codable, Equatable, Sendable {
        case nothing
        case link(to: String)
        case file(sha256: String)
    }

    var content: Content
    var mode: UInt32 = 0
    var owner: UInt32 = 0
    var group: UInt32 = 0
    /// Where a file's bytes are kept, in the state directory.
    var copy: String?

    /// Looks at a path; a directory or a device is a failure.
    init(at path: String) throws(SetupFailure) {
        do throws(FileError) {
            guard let status = try FileSystem.status(path) else {
                content = .nothing
                return
            }
            (mode, owner, group) = (status.mode, status.owner, status.group)
            switch status.kind {
            case .link: content = .link(to: try FileSystem.linkText(path))
            case .file: content = .file(sha256: FilePicture.digest(try FileSystem.read(path)))
            default: throw FileError("change", path, because: "not a regular file")
            }
        } catch {
            throw SetupFailure(error)
        }
    }

    /// What a file will be.
    init(_ bytes: [UInt8], mode: UInt32) {
        content = .file(sha256: FilePicture.digest(bytes))
        self.mode = mode
    }

    /// Nothing at all.
    static var nothing: FilePicture { FilePicture(content: .nothing) }

    private init(content: Content) { self.content = content }

    static func digest(_ bytes: [UInt8]) -> String {
        // SHA-256 is in every OpenSSL; without it there is no TLS either.
        (try? Digest.sha256(bytes).hexadecimal) ?? "\(bytes.count) bytes"
    }
}
