import ArgumentParser
import FoundationEssentials
import Lineages
import PKI
import Renewal

/// `certctl rollback`: an earlier version, live again.
struct RollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Install an earlier version again, then deploy and verify it.",
        discussion: """
            A copy of the earlier version becomes the next one: certbot would undo a link that goes back to a lower number.
            """)

    @OptionGroup var tree: TreeOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: ArgumentHelp("The certificate.", valueName: "name"), completion: .lineage)
    var name: String

    @Option(
        name: .long,
        help: ArgumentHelp("The version (default: the one before the installed one).", valueName: "version"))
    var to: Int?

    @Flag(name: .long, help: "Take a version that has expired, or is for other names, too.")
    var force = false

    @Flag(name: .long, help: "Show which version would be installed and what would run, and change nothing.")
    var dryRun = false

    func run() async throws {
        if dryRun { return try preview() }
        let setup = try await RunSetup(tree, nil, output, offersToStop: true)
        let lineage = try setup.tree.selected([name])[0]
        let version = try earlierVersion(of: lineage).number
        let code = await setup.carryOut("rollback", .rollBack(to: version, isForced: force), [lineage])
        if code != 0 { throw ExitCode(code) }
    }

    private func preview() throws {
        let preview = try DeploymentPreview(tree)
        let lineage = try preview.lineage(name)
        let leaf = try earlierVersion(of: lineage).leaf
        try preview.show(lineage, "a copy of \(DeploymentPreview.text(leaf)), installed as the next version", .rollBack)
    }

    /// The version to go back to, fit to be installed.
    private func earlierVersion(of lineage: Lineage) throws -> (number: Int, leaf: Certificate) {
        guard let paths = lineage.paths else {
            throw CommandFailure(.failed, lineage.fatalProblem?.message ?? "\(lineage.confPath) cannot be used")
        }
        if let problem = lineage.problems.first(where: { $0.code == .anotherTree }) {
            throw CommandFailure(.failed, "\(name): \(problem)", next: NextStep.after(problem, lineage: name))
        }
        do {
            let archive = try Archive(directory: paths.archive)
            let complete = archive.versions.filter { $0.value.count == PEMKind.allCases.count }.keys.sorted()
            let list = complete.map(String.init).joined(separator: ", ")
            let revoked = StateStore(stateDirectory: tree.statePath).revoked()
            if let damage = revoked.damage {
                throw CommandFailure(
                    .failed, "no version is installed again: \(damage), and \(name) may have revoked ones",
                    next: "restore that file from a backup; or remove it, if nothing was revoked here")
            }
            func bar(_ version: Int) -> RevokedCertificates.Entry? {
                leaf(archive, version).flatMap { revoked.reason(against: $0) }
            }
            // A copy of what is installed changes nothing.
            let installed = lineage.certificate
            let others = complete.filter { $0 < lineage.version ?? .max && leaf(archive, $0) != installed }
            let earlier = others.filter { to != nil || bar($0) == nil }
            // An expired one is ignored if another has not expired.
            let valid = force ? nil : earlier.last { isValid(archive, $0) }
            if to == nil, earlier.isEmpty, let last = others.last, let entry = bar(last) {
                throw CommandFailure(
                    .failed, "every earlier version of \(name) is \(entry): none is installed again",
                    next: .run("certctl renew --force \(name.shellWord)"))
            }
            guard let version = to ?? valid ?? earlier.last, complete.contains(version) else {
                throw CommandFailure(
                    .usage,
                    "\(name) has no \(to.map { "version \($0)" } ?? "earlier version") to go back to"
                        + (complete.isEmpty ? "" : " (whole in its archive: \(list))"))
            }
            guard version != lineage.version else {
                throw CommandFailure(.usage, "version \(version) of \(name) is installed already")
            }
            if let entry = bar(version) {
                throw CommandFailure(
                    .failed, "version \(version) of \(name) is not installed again: it is \(entry)",
                    next: "certctl renew --force \(name.shellWord)")
            }
            let set = try CertificateSet(
                key: PrivateKey(pem: FileSystem.read(archive.path(.privkey, version))),
                chain: FileSystem.read(archive.path(.fullchain, version)),
                names: force ? [] : lineage.certificate?.names ?? [], after: nil,
                now: force ? nil : Date.now)
            return (version, set.leaf)
        } catch let failure as CommandFailure {
            throw failure
        } catch let unfit as CertificateSet.Unfit {
            throw CommandFailure(
                .failed, "\(name): \(unfit)",
                next: unfit.isDamaged ? "take another version with --to" : "--force takes it all the same")
        } catch {
            throw CommandFailure(.failed, "\(name): \(error)")
        }
    }

    private func isValid(_ archive: Archive, _ version: Int) -> Bool {
        leaf(archive, version).map { $0.notAfter > Date.now } ?? false
    }

    private func leaf(_ archive: Archive, _ version: Int) -> Certificate? {
        (try? FileSystem.read(archive.path(.cert, version))).flatMap { try? Certificate.chain(pem: $0) }?.first
    }
}
