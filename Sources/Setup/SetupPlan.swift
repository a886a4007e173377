package import Lineages

/// A thing that setup does: what, how it is undone by hand, and the changes that it is made of.
package struct SetupStep: Equatable, Sendable {
    /// What is done, in the imperative.
    package let title: String
    /// What an operator should see of it before saying yes.
    package let details: [String]
    let actions: [HostAction]

    init(_ title: String, details: [String] = [], _ actions: [HostAction]) {
        (self.title, self.details, self.actions) = (title, details, actions)
    }
}

/// What setup would do on a host, and what it saw there and leaves alone.
package struct SetupPlan: Equatable, Sendable {
    package var steps: [SetupStep] = []
    package var remarks: [String] = []
}

/// What setup is asked for.
package struct SetupRequest: Sendable {
    /// Nil where there is no tree yet.
    package var tree: Tree?
    /// All of the tree.
    package var lineages: [Lineage]
    package var treePath: String
    package var statePath: String
    /// The arguments that a run of the service needs beyond the usual ones; none with the usual directories.
    package var arguments: [String]
    /// The file of host-wide settings, where it is not the usual one.
    package var settingsPath: String?
    /// Files that the host's settings have each run write.
    package var reports: [String] = []
    /// The program's own file, with links resolved.
    package var binary: String
    /// Whether a hook that reloads nginx already is replaced by the shipped one.
    package var replacesHook = false
    /// The webroot for each lineage that is moved to one.
    package var webroots: [String: String] = [:]

    /// Reads the lineages of the tree.
    package init(
        tree: Tree?, treePath: String, statePath: String, arguments: [String] = [], binary: String
    ) throws(Tree.Failure) {
        (self.tree, self.treePath, self.statePath) = (tree, treePath, statePath)
        lineages = try tree?.lineages() ?? []
        (self.arguments, self.binary) = (arguments, binary)
    }
}

extension SetupPlan {
    /// Looks at a host, and decides. Changes nothing.
    package init(_ request: SetupRequest, on host: SetupHost) async throws(SetupFailure) {
        let record = try SetupRecord(stateDirectory: request.statePath)
        let moves = try SetupPlan.moves(request)
        let schedule = UnitSteps(request, host: host, record: record, moves: moves)
        try schedule.addFiles(to: &self)
        try HookStep(request, host: host, record: record).add(to: &self)
        for move in moves { steps.append(SetupPlan.step(move)) }
        // certbot's schedule goes off only once certctl's is on.
        let isScheduled = try await schedule.addSchedule(to: &self)
        let certbot = CertbotSchedule(request, host: host, moves: moves)
        try await certbot.add(to: &self, canGoOff: isScheduled)
        if let tree = request.tree, let plugin = tree.defaults.value("authenticator"),
            WebrootMove.authenticators.contains(plugin)
        {
            remarks.append(
                "cli.ini says authenticator = \(plugin), which applies to every lineage: take the line out for certctl to renew them"
            )
        }
        let moved = Set(moves.map(\.lineage))
        for lineage in WebrootMove.candidates(among: request.lineages) where !moved.contains(lineage.name) {
            remarks.append(
                "\(lineage.name) is renewed by certbot's \(lineage.options?.authenticator ?? "") plugin, which certctl does not have: "
                    + "with --webroot DIR it is moved to files in DIR, which nginx has to serve")
        }
    }

    private static func moves(_ request: SetupRequest) throws(SetupFailure) -> [WebrootMove] {
        var moves: [WebrootMove] = []
        for lineage in WebrootMove.candidates(among: request.lineages) {
            guard let webroot = request.webroots[lineage.name] else { continue }
            moves.append(try WebrootMove(lineage, to: webroot))
        }
        return moves
    }

    private static func step(_ move: WebrootMove) -> SetupStep {
        SetupStep(
            "have \(move.lineage) proven by files in \(move.webroot), in \(move.path)",
            details: move.difference + [
                "nginx has to serve /.well-known/acme-challenge/ from there: certctl renew --dry-run \(move.lineage) tries it"
            ],
            [
                .write(
                    move.path, move.after, mode: SetupPlan.mode(of: move.path), replacing: move.before,
                    merge: .authenticator)
            ])
    }

    static func mode(of path: String) -> UInt32 {
        (try? FileSystem.status(path, followingLinks: true))?.mode ?? 0o644
    }
}
