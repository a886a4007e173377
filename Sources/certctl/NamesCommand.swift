import ArgumentParser
import FoundationEssentials
import Lineages
import PKI
import Renewal

/// `certctl names`: more or fewer names for a certificate.
struct NamesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "names", abstract: "Add names to a certificate, or remove some.",
        discussion: """
            Shows the difference, and orders a certificate for the new names, as certctl issue --name does. They are proven in \
            the way of the certificate's other names.
            """)

    @OptionGroup var tree: TreeOptions
    @OptionGroup var ca: CAOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: ArgumentHelp("The certificate.", valueName: "name"), completion: .lineage)
    var name: String

    @Option(name: .long, help: ArgumentHelp("A name to add; give it once for each.", valueName: "domain"))
    var add: [String] = []

    @Option(name: .long, help: ArgumentHelp("A name to remove; give it once for each.", valueName: "domain"))
    var remove: [String] = []

    @Option(
        name: .long, help: ArgumentHelp("The directory that nginx serves challenges from.", valueName: "dir"),
        completion: .directory)
    var webroot: OperatorPath?

    @Flag(name: .long, help: "Make a new private key, also where the renewal config says to keep it.")
    var newKey = false

    @Flag(name: [.short, .long], help: "Order even if the CA's rate limit for these names is nearly reached.")
    var yes = false

    func validate() throws {
        if add.isEmpty, remove.isEmpty { throw ValidationError("give --add or --remove") }
    }

    func run() async throws {
        let tree = try tree.tree()
        let lineage = try tree.selected([name])[0]
        let store = StateStore(stateDirectory: self.tree.statePath)
        let missing = store.state(of: lineage, at: Date.now)?.liveOmitted?.names.compactMap { SubjectName($0) } ?? []
        guard let names = try newNames(of: lineage, missing) else { return try forget(lineage, store, tree) }
        var words = self.tree.words + ca.words + output.words + ["--name", name]
        if let webroot { words += ["--webroot", webroot.text] }
        if yes { words.append("--yes") }
        if newKey { words.append("--new-key") }
        let issue = try IssueCommand.parse(words + names.flatMap { ["-d", $0.description] })
        try await issue.run()
    }

    /// Names that the CA has refused, and that the certificate goes without, need no order to be removed.
    private func forget(_ lineage: Lineage, _ store: StateStore, _ tree: Tree) throws {
        let lock = try RunLock.take(tree, state: self.tree.statePath)
        defer { withExtendedLifetime(lock) {} }
        let names = try DomainArgument.names(remove).map(\.description)
        do throws(FileError) {
            try store.forget(names, of: lineage, at: Date.now)
        } catch {
            throw CommandFailure(error)
        }
        StandardStreams.print(
            line: "\(name): \(names.joined(separator: ", ")) is not ordered any more; the certificate was without it")
    }

    /// - Parameter missing: the names that are wanted, and that the installed certificate goes without.
    /// - Returns: nil where nothing but those is to be removed.
    private func newNames(of lineage: Lineage, _ missing: [SubjectName]) throws -> [SubjectName]? {
        guard let certificate = lineage.certificate, let options = lineage.options else {
            throw CommandFailure(
                .failed, lineage.fatalProblem?.message ?? "\(lineage.confPath) cannot be used",
                next: "certctl repair \(name)")
        }
        let (added, removed) = (try DomainArgument.names(add), try DomainArgument.names(remove))
        let wanted = certificate.names + missing.filter { !certificate.names.contains($0) }
        if let unknown = removed.first(where: { !wanted.contains($0) }) {
            let list = wanted.map(\.description).joined(separator: ", ")
            throw CommandFailure(.usage, "\(name) is not for \(unknown), but for \(list)")
        }
        if added.isEmpty, removed.allSatisfy(missing.contains) { return nil }
        let names = wanted.filter { !removed.contains($0) } + added.filter { !wanted.contains($0) }
        guard !names.isEmpty else {
            throw CommandFailure(.usage, "no name would be left", next: "certctl delete \(name) removes a certificate")
        }
        if webroot == nil, let obstacle = options.proof.obstacle {
            throw CommandFailure(
                .failed, "\(self.name) cannot be renewed by certctl: \(obstacle)",
                next: "name a webroot with --webroot, or order it with certbot")
        }
        return names
    }
}
