import CLinux
internal import FoundationEssentials
import Glibc

/// What stands at a path, whole: enough to compare it and to put it back.
package enum PathContent: Hashable, Sendable, Codable {
    case nothing
    /// A symlink with its text.
    case link(String)
    case file(FileCopy)
    /// A named pipe, which would hang a program that reads it.
    case fifo(Access)
    /// A directory; what is in it is not part of this.
    case directory(Access)

    /// Permission bits (`07777`), owner and group; `UInt32.max` is the user who makes it.
    package struct Access: Hashable, Sendable, Codable {
        package let mode: UInt32
        package let owner: UInt32
        package let group: UInt32

        package init(mode: UInt32, owner: UInt32, group: UInt32) {
            (self.mode, self.owner, self.group) = (mode, owner, group)
        }

        init(_ status: FileSystem.Status) { self.init(mode: status.mode, owner: status.owner, group: status.group) }
    }

    /// A regular file's bytes and access.
    package struct FileCopy: Hashable, Sendable, Codable {
        package let bytes: [UInt8]
        package let access: Access

        package init(_ bytes: [UInt8], _ access: Access) { (self.bytes, self.access) = (bytes, access) }

        private enum CodingKeys: String, CodingKey { case base64, access }

        package init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            let text = try values.decode(String.self, forKey: .base64)
            guard let data = Data(base64Encoded: text) else {
                throw DecodingError.dataCorruptedError(forKey: .base64, in: values, debugDescription: "not Base64")
            }
            self.init(Array(data), try values.decode(Access.self, forKey: .access))
        }

        package func encode(to encoder: any Encoder) throws {
            var values = encoder.container(keyedBy: CodingKeys.self)
            try values.encode(Data(bytes).base64EncodedString(), forKey: .base64)
            try values.encode(access, forKey: .access)
        }
    }

    /// Looks at a path without following a symlink.
    ///
    /// - Throws: also for a device, a socket and a file above ``FileSystem/largestFile``, which cannot be put back.
    package init(at path: String) throws(FileError) {
        guard let status = try FileSystem.status(path) else {
            self = .nothing
            return
        }
        switch status.kind {
        case .link: self = .link(try FileSystem.linkText(path))
        case .file: self = .file(FileCopy(try FileSystem.read(path), Access(status)))
        case .directory: self = .directory(Access(status))
        case .other:
            var found = stat()
            guard unsafe lstat(path, &found) == 0, found.st_mode & S_IFMT == S_IFIFO else {
                throw FileError("copy", path, because: "it is a device or a socket")
            }
            self = .fifo(Access(status))
        }
    }

    /// Whether two contents are the same to a reader; who owns them does not count.
    package func matches(_ other: PathContent) -> Bool {
        switch (self, other) {
        case (.file(let one), .file(let other)): one.bytes == other.bytes && one.access.mode == other.access.mode
        case (.directory, .directory), (.fifo, .fifo): true
        default: self == other
        }
    }

    /// Puts this at a path, durably and in one step, over a file, symlink or pipe that stands there. A directory is removed only
    /// when it is empty.
    func put(at path: String) throws(FileError) {
        switch self {
        case .nothing:
            if try FileSystem.status(path)?.kind == .directory {
                try FileSystem.removeDirectory(path)
            } else {
                try FileSystem.remove(path)
            }
            try PathContent.sync(path)
        case .link(let text):
            try PathContent.replace(path) { temporary throws(FileError) in
                try FileSystem.makeLink(temporary, to: text)
            }
        case .file(let file):
            try NewFile(
                path, file.bytes, mode: file.access.mode, owner: file.access.owner, group: file.access.group
            ).commit()
        case .fifo(let access):
            try PathContent.replace(path) { temporary throws(FileError) in
                guard unsafe mkfifo(temporary, 0o600) == 0 else { throw FileError("create", path) }
                try PathContent.give(temporary, access)
            }
        case .directory(let access):
            try FileSystem.makeDirectory(path, mode: access.mode)
            try PathContent.give(path, access)
            try PathContent.sync(path)
        }
    }

    private static func replace(_ path: String, _ make: (String) throws(FileError) -> Void) throws(FileError) {
        let temporary = NewFile.temporaryPath(for: path)
        try FileSystem.remove(temporary)
        do throws(FileError) {
            try make(temporary)
            try FileSystem.rename(temporary, to: path)
        } catch {
            try? FileSystem.remove(temporary)
            throw error
        }
        try sync(path)
    }

    private static func give(_ path: String, _ access: Access) throws(FileError) {
        if let status = try FileSystem.status(path), (status.owner, status.group) != (access.owner, access.group) {
            guard unsafe chown(path, access.owner, access.group) == 0 else { throw FileError("set the owner of", path) }
        }
        try FileSystem.setMode(path, access.mode)
    }

    private static func sync(_ path: String) throws(FileError) {
        do throws(FileError) {
            try FileSystem.sync(directory: FileSystem.directory(of: path) ?? ".")
        } catch  where error.isNotFound {
        }
    }
}
