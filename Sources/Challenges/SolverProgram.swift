import Deployment
import Lineages

/// A program that proves names, as it is started for one order, and the options that it gets before its first challenge.
package struct SolverProgram: Sendable {
    /// What it is called in messages.
    package let title: String
    let command: Command
    /// Keys and values, in the order in which they are sent; a value has no line break.
    let options: [(key: String, value: String)]
    /// Nil for a program that may do what hooks may.
    let confinement: Confinement?
    let launcher: any ProgramLauncher

    /// Why a program cannot be started.
    package struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
        package let description: String
        /// Whether it is the credentials file that is missing.
        package var isCredentials = false
    }

    /// One of certbot's DNS plugins, with the options of a renewal conf that begin with its name.
    package init(
        certbotPlugin name: String, options: [String: String], _ settings: ChallengeSettings
    ) throws(Failure) {
        let python: String
        do throws(CertbotPython.Obstacle) {
            python = try CertbotPython.path(venv: settings.certbotVenv, plugin: name)
        } catch {
            throw Failure(description: error.description)
        }
        title = name
        // Its text is no secret, and there is no other file that could be of another version.
        var command = Command(
            executable: python, arguments: ["-c", String(decoding: PackageResources.certbot_plugin, as: UTF8.self)])
        command.title = "certbot's plugin \(name)"
        self.command = command
        self.options = [("authenticator", name)] + options.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        let key = "\(name.replacing("-", with: "_"))_credentials"
        var credentials: [Confinement.Credential] = []
        if let path = options[key], path != "None" {
            credentials.append(try SolverProgram.credential(key, path, of: name, settings.programs))
        }
        if name == "dns-route53" { credentials += SolverProgram.awsCredentials }
        confinement = Confinement(credentials: credentials, hidden: settings.hidden)
        launcher = settings.programs
    }

    /// certbot's manual hooks. They run as other hooks do: with all rights, as they did under certbot.
    package init(manualHooks auth: String, cleanup: String?, _ settings: ChallengeSettings) throws(Failure) {
        for hook in [auth, cleanup ?? ""] where hook.contains(where: \.isNewline) {
            throw Failure(description: "a manual hook has a line break: put it into a script")
        }
        title = "manual hooks"
        var command = Command(
            executable: "/bin/sh", arguments: ["-c", String(decoding: PackageResources.manual, as: UTF8.self)])
        command.title = "certbot's manual hooks"
        self.command = command
        options = [("manual_auth_hook", auth)] + (cleanup.map { [("manual_cleanup_hook", $0)] } ?? [])
        confinement = nil
        launcher = settings.hooks
    }

    /// A program of the operator's.
    package init(path: String, credentials: String?, _ settings: ChallengeSettings) throws(Failure) {
        title = path
        command = .program(path)
        if let credentials {
            options = [
                ("credentials", try SolverProgram.credential("credentials", credentials, of: path, settings.hooks).path)
            ]
        } else {
            options = []
        }
        // It may be anywhere, and be in need of anything.
        confinement = nil
        launcher = settings.hooks
    }

    /// A file that has to be there, as far as that can be seen from here.
    private static func credential(
        _ name: String, _ path: String, of program: String, _ launcher: any ProgramLauncher
    ) throws(Failure) -> Confinement.Credential {
        if launcher.isOutside { return Confinement.Credential(name: name, path: path) }
        let status: FileSystem.Status?
        do throws(FileError) {
            status = try FileSystem.status(path, followingLinks: true)
        } catch {
            throw Failure(description: "\(program): \(error)")
        }
        guard status?.kind == .file else {
            throw Failure(
                description: "\(program): the credentials file \(path) does not exist", isCredentials: true)
        }
        return Confinement.Credential(name: name, path: path)
    }

    /// Route 53's plugin has no option for its credentials: it looks where Amazon's library does.
    private static var awsCredentials: [Confinement.Credential] {
        [("aws-credentials", "/root/.aws/credentials"), ("aws-config", "/root/.aws/config")].map {
            Confinement.Credential(name: $0, path: $1, isOptional: true)
        }
    }
}
