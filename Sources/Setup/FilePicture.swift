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
        content = .nothing
        var bytes: [UInt8]?
        do throws(FileError) {
            guard let status = try FileSystem.status(path) else { return }
            (mode, owner, group) = (status.mode, status.owner, status.group)
            switch status.kind {
            case .link: content = .link(to: try FileSystem.linkText(path))
            case .file: bytes = try FileSystem.read(path)
            default: throw FileError("change", path, because: "not a regular file")
            }
        } catch {
            throw SetupFailure(error)
        }
        if let bytes { content = .file(sha256: try FilePicture.digest(bytes)) }
    }

    /// What a file will be.
    init(_ bytes: [UInt8], mode: UInt32) throws(SetupFailure) {
        content = .file(sha256: try FilePicture.digest(bytes))
        self.mode = mode
    }

    /// Nothing at all.
    static var nothing: FilePicture { FilePicture(content: .nothing) }

    private init(content: Content) { self.content = content }

    private static func digest(_ bytes: [UInt8]) throws(SetupFailure) -> String {
        do throws(PKIError) { return try Digest.sha256(bytes).hexadecimal } catch { throw SetupFailure("\(error)") }
    }
}
