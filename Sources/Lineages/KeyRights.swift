import CLinux
import Glibc

/// Who may read a private key, which the next version's key gets.
struct KeyRights {
    let mode: UInt32
    /// Nil where this process may not give files away.
    let owner: UInt32?
    let group: UInt32

    /// Those of a key, as certbot has it: its owner, its group, and of its mode what is not for everybody. Nil where there is no key.
    init?(ofKeyAt path: String) throws(FileError) {
        guard let status = try FileSystem.status(path, followingLinks: true), status.kind == .file else { return nil }
        // Only root may give a file away.
        (owner, group) = (geteuid() == 0 ? status.owner : nil, status.group)
        mode = 0o600 | (status.mode & 0o074)
    }
}

extension OpenDirectory {
    /// Gives the key of a version these rights. One that certbot's `reuse_key` has made a link to another version's key is that
    /// key; a link to anywhere else, and a key with a second name, are left as they are.
    func give(_ rights: KeyRights, toKeyOf version: Int) throws(FileError) {
        var name = "\(PEMKind.privkey.rawValue)\(version).pem"
        for _ in 0..<OpenDirectory.mostKeyLinks where try status(name)?.kind == .link {
            let text = try linkText(name)
            guard let (kind, _) = Archive.parse(text), kind == .privkey else { return }
            name = text
        }
        try change(name) { (descriptor, path) throws(FileError) in
            var status = stat()
            guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1
            else {
                return
            }
            try FileSystem.setOwner(of: descriptor, path, rights.owner, rights.group)
            guard fchmod(descriptor, rights.mode) == 0 else { throw FileError("set the mode of", path) }
        }
    }

    /// Versions in a row that share a key by links.
    private static let mostKeyLinks = 64
}
