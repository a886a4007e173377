import ACME
import ArgumentParser
import Challenges
import Diagnosis
import FoundationEssentials
import Glibc
import HTTP
import Lineages
import Renewal

/// `certctl doctor`: the cause in the first line, the remedy in the second. Changes nothing.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Find out what is wrong, why, and what to do; changes nothing.",
        discussion: """
            Checks the config directory, the names, nginx and its container, the hooks, what is served and what renews. A file is put \
            into each webroot, asked for by http, and removed.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text, json
    }

    @OptionGroup var tree: TreeOptions
    @OptionGroup var caOptions: CAOptions

    @Argument(help: ArgumentHelp("The certificates to check (default: all).", valueName: "name"))
    var names: [String] = []

    @Option(name: [.customShort("o"), .long, .customLong("output")], help: "text or json.")
    var format = Format.text

    @Flag(name: .long, help: "The same as --format json.")
    var json = false

    @Flag(name: .long, help: "Ask the CAs as well: whether they answer and accept the accounts.")
    var ca = false

    @Option(
        name: .long,
        help: ArgumentHelp("Ask this DNS server instead of the system's resolver.", valueName: "address"),
        transform: DoctorCommand.resolver)
    var resolver: DNSServer?

    mutating func validate() { if json { format = .json } }

    func run() async throws {
        SignalTrap.outliveOutputs()
        let settings = try tree.settings()
        let transport = try RunSetup.transport(caBundle: caOptions.caBundle?.text ?? settings.caBundle)
        let host = try host(settings, transport)
        let diagnosis = Diagnosis(host)
        let task = Task { await diagnosis.run() }
        SignalTrap.install {
            // At once: the rest of the run may take its time.
            ProbeFile.removeAll()
            task.cancel()
        }
        let progress = isatty(STDERR_FILENO) == 1 && format == .text ? RunProgress(.error) : nil
        progress?.show(
            "doctor", "checking \(diagnosis.count == 1 ? "1 certificate" : "\(diagnosis.count) certificates")")
        let report = await task.value
        progress?.end("doctor")
        if task.isCancelled { throw CommandFailure(.failed, "interrupted; the file in the webroot is removed") }
        switch format {
        case .text:
            let store = StateStore(stateDirectory: tree.statePath)
            let certificates = host.lineages.map { lineage in
                CertificateLine.text(lineage, report, store.state(of: lineage, at: host.now), at: host.now)
            }
            print(DoctorText(report, certificates: certificates, style: .forTerminal).text)
        case .json: print(try DoctorDocument(report, at: Date.now).json())
        }
        if diagnosis.isTreeReadable {
            if !report.isHealthy { throw ExitCode(ExitStatus.failed.rawValue) }
        } else {
            throw ExitCode(ExitStatus.configuration.rawValue)
        }
    }

    private func host(_ settings: HostSettings, _ transport: any HTTPTransport) throws -> Diagnosis.Host {
        var found: (tree: Tree, lineages: [Lineage])?
        var failure: Tree.Failure?
        do throws(Tree.Failure) {
            let tree = try tree.openTree()
            found = (tree, try tree.lineages(names.isEmpty ? nil : Set(names)))
        } catch {
            failure = error
        }
        if let found, let unknown = names.first(where: { name in !found.lineages.contains { $0.name == name } }) {
            throw CommandFailure(
                .usage, "there is no certificate \(unknown) in \(found.tree.path)",
                next: "certctl status shows them all")
        }
        var host = Diagnosis.Host(
            found?.tree, found?.lineages ?? [], path: tree.configDir.text, settings: settings,
            statePath: tree.statePath,
            transport: transport)
        (host.treeFailure, host.resolver, host.asksCA) = (failure, resolver, ca)
        return host
    }

    private static func resolver(_ text: String) throws -> DNSServer {
        guard let server = DNSServer(text) else {
            throw ValidationError("\(text) is not the address of a DNS server, such as 9.9.9.9 or [::1]:5353")
        }
        return server
    }
}

extension Diagnosis.Host {
    /// This host, by the environment and the home directory that the process has; no CA is asked.
    init(
        _ tree: Tree?, _ lineages: [Lineage], path: String, settings: HostSettings, statePath: String,
        transport: any HTTPTransport
    ) {
        self.init(
            treePath: tree?.path ?? path, tree: tree, treeFailure: nil, lineages: lineages, settings: settings,
            stateDirectory: statePath, environment: ProcessInfo.processInfo.environment, home: Self.homeDirectory,
            resolver: nil, asksCA: false, transport: transport, now: Date.now)
    }

    /// Where the docker command has its contexts.
    private static var homeDirectory: String? {
        if let home = unsafe getenv("HOME") { return unsafe String(cString: home) }
        guard let entry = unsafe getpwuid(geteuid()) else { return nil }
        return unsafe String(cString: entry.pointee.pw_dir)
    }
}
