/// What is known of a Docker Engine that does not answer at its own socket.
package enum EngineState: Hashable, Sendable {
    /// systemd has no service of it: who has the socket, where a process has.
    case unmanaged(socket: String, process: Int32?, name: String)
    case inactive
    case masked
    /// It was started in vain.
    case failed
    case starting
    /// It runs, and does not answer, or has lost its socket.
    case active(hasSocketUnit: Bool)
    /// The same, and it was started a short while ago.
    case restarted
}

/// A line of a unit's file or drop-in.
package struct UnitFile: Hashable, Sendable {
    /// `FILE:LINE`, or the file alone.
    package let place: String
    /// The line; empty where it is not known.
    package let line: String

    package init(place: String, line: String) { (self.place, self.line) = (place, line) }

    /// `FILE:LINE ("ReadOnlyPaths=/etc")`
    var text: String { line.isEmpty ? place : "\(place) (\"\(line)\")" }
}

/// How the service that renews has failed.
package enum ServiceFailure: Hashable, Sendable {
    /// systemd could not start it: the setting at fault, where that is known.
    case notStarted(UnitFile?)
    /// certctl does not take its command line or its settings.
    case settings
    /// A certificate or a hook, or what is not known.
    case run
    /// The same, after it was started again.
    case repeated
}
