package import FoundationEssentials
package import Lineages

/// That `certctl account register`, or the first step of `certctl issue`, has failed at a CA, and why: `STATE/registrations.json`.
/// doctor does not name the same command again.
package struct RegistrationFailure: Codable, Hashable, Sendable {
    package let at: Date
    package let cause: Cause

    package init(at: Date, _ cause: Cause) { (self.at, self.cause) = (at, cause) }

    /// After so long it may be tried again as if it had not been.
    private static let lifetime: TimeInterval = 86_400

    package func isRecent(at now: Date) -> Bool {
        (0..<RegistrationFailure.lifetime).contains(now.timeIntervalSince(at))
    }
}

extension StateStore {
    private var registrationsPath: String { "\(root)/registrations.json" }

    /// The last failure of each CA, by its directory URL.
    package var registrationFailures: [String: RegistrationFailure] {
        read([String: RegistrationFailure].self, from: registrationsPath) ?? [:]
    }

    /// Notes how a registration has ended; nil for success.
    package func note(_ failure: RegistrationFailure?, ofRegistrationAt server: String) throws(FileError) {
        var failures = registrationFailures
        guard failures[server] != failure else { return }
        failures[server] = failure
        if failures.isEmpty {
            try FileSystem.remove(registrationsPath)
        } else {
            try FileSystem.makeDirectories(root, mode: 0o755)
            try write(failures, to: registrationsPath, isDurable: false)
        }
    }
}
