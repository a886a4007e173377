/// One change of the host, as a step of the setup is made of them.
enum HostAction: Equatable, Sendable {
    case makeDirectory(String)
    /// Writes a file; what is there has to be what the plan was made for, nil for nothing.
    case write(String, [UInt8], mode: UInt32, replacing: [UInt8]?, merge: Merge? = nil)
    /// Takes a file or link away, and keeps it in the state directory: not all who read a directory pass a backup over.
    case remove(String)
    case setMode(String, UInt32)
    /// Has systemd read its units again.
    case reloadUnits
    /// Enables and starts a unit.
    case enable(String)
    /// Disables and stops a unit.
    case disable(String)
    /// Replaces root's crontab; nil for none.
    case installCrontab(String, replacing: String?)
}

/// How a change is taken out of a file that others have changed since.
enum Merge: String, Codable, Equatable, Sendable {
    /// A lineage's conf: how its names are proven is put back, the rest stays.
    case authenticator
    /// A crontab: the mark before a line is taken away.
    case cronMark
}

/// A change that was made, with what it takes to put back what was there.
enum HostChange: Codable, Equatable, Sendable {
    /// A directory that was not there.
    case directory(path: String)
    case file(path: String, before: FilePicture, after: FilePicture, merge: Merge?)
    case mode(path: String, before: UInt32, after: UInt32)
    /// A unit, with what it was before.
    case unit(name: String, isEnabled: Bool, isActive: Bool)
    /// Root's crontab; nil where there was none.
    case crontab(before: String?, after: String)
}
