package import Deployment

/// What solvers need of a host, beside what a lineage says.
package struct ChallengeSettings: Sendable {
    package var dns: ChallengeDNS
    /// How long authoritative servers may take to have a record, after the program has waited in its own way; then the CA is
    /// asked all the same.
    package var propagationTimeout: Duration
    /// How long a hook or a program may take for one order.
    package var programTimeout: Duration
    /// The virtual environment that has certbot; nil where the host's own certbot is used.
    package var certbotVenv: String?
    /// Starts certbot's manual hooks, which may do what other hooks may.
    package var hooks: any ProgramLauncher
    /// Starts the programs that certctl ships and the operator's own, confined where it can.
    package var programs: any ProgramLauncher
    /// Directories that confined programs do not see.
    package var hidden: [String]
    /// Shared by the lanes of a run.
    package var locks: ChallengeLocks
    /// Who holds a port, for a run that cannot see other processes; nil where it does not know either.
    package var portHolder: @Sendable (Int) async -> String?
    /// Told what is worth knowing and no failure, in a line.
    package var report: @Sendable (String) -> Void
    /// Given what had not reached all servers of its zone in time, once for an order by dns-01; nothing where all had.
    package var propagated: @Sendable ([LateRecord]) -> Void

    package init(
        dns: ChallengeDNS = ChallengeDNS(), propagationTimeout: Duration = defaultPropagationTimeout,
        programTimeout: Duration = defaultProgramTimeout, certbotVenv: String? = nil,
        hooks: any ProgramLauncher = SubprocessRunner(), programs: any ProgramLauncher = SubprocessRunner(),
        hidden: [String] = [], locks: ChallengeLocks = ChallengeLocks(),
        portHolder: @escaping @Sendable (Int) async -> String? = { _ in nil },
        report: @escaping @Sendable (String) -> Void = { _ in },
        propagated: @escaping @Sendable ([LateRecord]) -> Void = { _ in }
    ) {
        (self.dns, self.propagationTimeout, self.programTimeout) = (dns, propagationTimeout, programTimeout)
        (self.certbotVenv, self.hooks, self.programs, self.hidden) = (certbotVenv, hooks, programs, hidden)
        (self.locks, self.portHolder) = (locks, portHolder)
        (self.report, self.propagated) = (report, propagated)
    }

    /// Secondary servers take up a change within seconds where the primary notifies them, and within a refresh where not.
    package static let defaultPropagationTimeout: Duration = .seconds(120)
    /// As hooks have it: a plugin may sleep for minutes of its own accord.
    package static let defaultProgramTimeout: Duration = .seconds(600)
}
