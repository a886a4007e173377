import ACME
import ArgumentParser
import FoundationEssentials
import Lineages
import PKI
import Renewal
import Text

/// `certctl revoke`: a certificate that clients are no longer to trust.
struct RevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Revoke a certificate at its CA, for good.",
        discussion: """
            Revokes the installed version of a certificate by the account that its renewal config names, or any certificate by its \
            own key with --cert and --key. certctl never installs it again, and with --reason keyCompromise never uses its key \
            again. The certificate stays installed until it is replaced.
            """)

    @OptionGroup var tree: TreeOptions
    @OptionGroup var ca: CAOptions

    @Argument(help: ArgumentHelp("The certificate.", valueName: "name"), completion: .lineage)
    var name: String?

    @Option(
        name: .long, help: ArgumentHelp("Revoke the certificate in this PEM file, with --key.", valueName: "file"),
        completion: .file())
    var cert: OperatorPath?

    @Option(
        name: .long, help: ArgumentHelp("The private key of the certificate, in PEM.", valueName: "file"),
        completion: .file())
    var key: OperatorPath?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "With --cert: the CA's directory (default: that of the certificate's lineage).", valueName: "url"))
    var server: String?

    @Option(
        name: .long,
        help: "unspecified (the default), keyCompromise, affiliationChanged, superseded or cessationOfOperation.",
        completion: .list(RevocationReason.allCases.map { "\($0)" }), transform: RevokeCommand.reason)
    var reason: RevocationReason?

    @Flag(name: [.short, .long], help: "Do not ask.")
    var yes = false

    func validate() throws {
        guard (name != nil) != (cert != nil) else { throw ValidationError("give the name of a certificate, or --cert") }
        guard (cert != nil) == (key != nil) else { throw ValidationError("--cert and --key go together") }
        if server != nil, cert == nil { throw ValidationError("--server goes with --cert") }
    }

    func run() async throws {
        SignalTrap.outliveOutputs()
        let installed = try await revoke()
        try StandardStreams.finishOutput()
        if let installed { try await offerReplacement(of: installed) }
    }

    /// - Returns: the lineage that shows the certificate; nil where none does.
    private func revoke() async throws -> Lineage? {
        let (tree, settings, statePath) = (try tree.tree(), try tree.settings(), tree.statePath)
        let transport = try RunSetup.transport(caBundle: ca.caBundle?.text ?? settings.caBundle)
        let authorities = CertificateAuthorities(
            accounts: AccountStore(configDirectory: tree.path), transport: transport
        ) { _ in }
        let lock = try RunLock.take(tree, state: statePath)
        defer { withExtendedLifetime(lock) {} }
        try prepareState(tree)
        let target = try target(in: tree)
        if !yes { try confirm(target) }
        let reason = reason ?? .unspecified
        let result: RevocationResult
        do {
            if let key = target.key {
                let session = try await authorities.session(for: target.server)
                result = try await Client.revoke(target.certificate, key: key, session: session, reason: reason)
            } else {
                let client = try await authorities.client(for: target.server, account: target.lineage?.options?.account)
                result = try await client.revoke(target.certificate, reason: reason)
            }
        } catch {
            throw failure(error, target)
        }
        do throws(FileError) {
            try StateStore(stateDirectory: statePath).note(
                revoked: target.certificate, reason, of: target.lineage, among: (try? tree.lineages()) ?? [],
                by: RunSetup.initiator, at: Date.now)
        } catch {
            throw CommandFailure(
                .failed, "serial \(target.certificate.serial) is revoked, and that could not be noted: \(error)",
                next: "see that \(statePath) can be written to, and run this again")
        }
        switch result {
        case .revoked:
            StandardStreams.print(line: "\(target.title): serial \(target.certificate.serial) is revoked (\(reason))")
        case .wasRevoked:
            StandardStreams.print(line: "\(target.title): serial \(target.certificate.serial) was revoked before")
        }
        let shows = target.lineage.map { $0.certificate == target.certificate } ?? false
        return shows ? target.lineage : nil
    }

    private func prepareState(_ tree: Tree) throws {
        let path = self.tree.statePath
        do throws(FileError) {
            try FileSystem.makeDirectories(path, mode: 0o755)
            try FileSystem.requireWritable(path)
        } catch {
            throw CommandFailure(error)
        }
        try RunSetup.owningState { () throws(StateOwner.Failure) in try StateOwner.claim(path, for: tree) }
    }

    // MARK: What is revoked

    private struct Target {
        let certificate: Certificate
        let server: String
        /// Nil where the account says it.
        let key: PrivateKey?
        /// The lineage that shows it, or has its key.
        let lineage: Lineage?
        /// The lineage's name, or the file.
        let title: String
    }

    private func target(in tree: Tree) throws -> Target {
        guard let cert, let key else { return try installed(in: tree) }
        do {
            let chain = try Certificate.chain(pem: FileSystem.read(cert.text))
            let privateKey = try PrivateKey(pem: FileSystem.read(key.text))
            guard let leaf = chain.first, privateKey.fits(leaf) else {
                throw CommandFailure(.usage, "\(key.text) is not the key of \(cert.text)")
            }
            let lineages = (try? tree.lineages()) ?? []
            let lineage =
                lineages.first { $0.certificate == leaf }
                ?? lineages.first { $0.certificate?.hasKey(of: leaf) ?? false }
            let server = server ?? lineage?.options?.server ?? tree.defaults.value("server")
            return Target(
                certificate: leaf, server: server ?? RenewalOptions.defaultServer, key: privateKey, lineage: lineage,
                title: cert.text)
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(.failed, "\(error)")
        }
    }

    private func installed(in tree: Tree) throws -> Target {
        let name = name ?? ""
        let lineage = try tree.selected([name])[0]
        guard let certificate = lineage.certificate, let options = lineage.options else {
            throw CommandFailure(
                .failed, lineage.fatalProblem?.message ?? "\(lineage.confPath) cannot be used",
                next: "name the files with --cert and --key")
        }
        return Target(certificate: certificate, server: options.server, key: nil, lineage: lineage, title: name)
    }

    private func confirm(_ target: Target) throws {
        guard StandardError.canAsk else {
            throw CommandFailure(
                .usage, "a certificate is revoked for good, and there is no terminal to ask at", next: "give --yes")
        }
        let names = target.certificate.names.map(\.description).joined(separator: ", ")
        let question = "Revoke serial \(target.certificate.serial) (\(names)) at \(target.server) for good? [y/N] "
        guard StandardError.ask(question) else {
            throw CommandFailure(.failed, "nothing was revoked")
        }
    }

    private func failure(_ error: any Error, _ target: Target) -> CommandFailure {
        let acme = error as? ACMEError
        var next: Remedy.Step?
        if target.key == nil, acme?.isTemporary != true, let paths = target.lineage?.paths {
            next =
                "by its own key: certctl revoke --cert \(paths.link(.cert).shellWord) --key \(paths.link(.privkey).shellWord)"
        }
        return CommandFailure(
            acme?.isTemporary == true ? .tryLater : .failed, "\(target.title): not revoked: \(error)", next: next)
    }

    // MARK: What takes its place

    private func offerReplacement(of lineage: Lineage) async throws {
        let words = ["--force", "--new-key", lineage.name]
        if !yes, StandardError.canAsk,
            StandardError.ask("\(lineage.name): order a new certificate with a new key now? [y/N] ")
        {
            let renew = try RenewCommand.parse(tree.words + ca.words + words)
            return try await renew.run()
        }
        let command = (["certctl", "renew"] + words).map(\.shellWord).joined(separator: " ")
        StandardError.write(line: "\(lineage.name): it is served until it is replaced: \(command)", .warning)
    }

    static func reason(_ text: String) throws -> RevocationReason {
        guard let reason = RevocationReason(named: text) else {
            let names = RevocationReason.allCases.map { "\($0)" }.joined(separator: ", ")
            throw ValidationError("\(text) is not a reason: \(names)")
        }
        return reason
    }
}

extension TreeOptions {
    /// The options as words, for a command that another one runs.
    var words: [String] {
        ["--config-dir", configDir.text, "--state-dir", stateDir.text] + (config.map { ["--config", $0.text] } ?? [])
    }
}

extension CAOptions {
    var words: [String] { caBundle.map { ["--ca-bundle", $0.text] } ?? [] }
}

extension OutputOptions {
    var words: [String] { (quiet ? ["--quiet"] : []) + (verbose ? ["--verbose"] : []) }
}
