import Glibc
import Lineages

/// The Python that has the host's certbot, and with it certbot's DNS plugins.
package enum CertbotPython {
    /// Why there is none that could be used.
    package struct Obstacle: Error, Sendable, Equatable, CustomStringConvertible {
        package let description: String
        /// Whether certbot is a snap, which shuts its plugins in.
        package var isSnap = false
    }

    /// Where distributions, `pip install` as root and certbot's own instructions put the command.
    static let commands = ["/usr/bin/certbot", "/usr/local/bin/certbot", "/opt/certbot/bin/certbot"]
    static let system = "/usr/bin/python3"

    /// The interpreter to use.
    ///
    /// - Parameters:
    ///   - venv: a virtual environment that the settings name (`certbot_venv`); nil where they name none.
    ///   - plugin: for the line that says what to install.
    package static func path(
        venv: String?, plugin: String, commands: [String] = commands, system: String = system
    ) throws(Obstacle) -> String {
        if let venv {
            let path = "\(venv)/bin/python3"
            guard unsafe access(path, X_OK) == 0 else {
                throw Obstacle(description: "certbot_venv = \(venv) is no virtual environment: \(path) cannot be run")
            }
            return path
        }
        var isSnap = false
        for command in commands where (try? FileSystem.status(command, followingLinks: true)) != nil {
            if FileSystem.resolved(command).contains("/snap") {
                isSnap = true
                continue
            }
            if let interpreter = interpreter(of: command) { return interpreter }
        }
        if isSnap {
            throw Obstacle(
                description: "certbot is a snap, whose plugins cannot be reached from outside: run "
                    + "python3 -m venv /opt/certbot && /opt/certbot/bin/pip install certbot certbot-\(plugin), "
                    + "and set certbot_venv = /opt/certbot in /etc/certctl/certctl.conf", isSnap: true)
        }
        guard unsafe access(system, X_OK) == 0 else {
            throw Obstacle(description: "there is neither certbot nor \(system): apt install python3-certbot-\(plugin)")
        }
        return system
    }

    /// What the first line of a script names, where that is a Python.
    private static func interpreter(of script: String) -> String? {
        guard let bytes = try? FileSystem.read(script),
            let line = String(decoding: bytes.prefix(1024), as: UTF8.self).split(separator: "\n").first,
            line.hasPrefix("#!"), let path = line.dropFirst(2).split(separator: " ").first.map(String.init),
            FileSystem.name(of: path).hasPrefix("python"), unsafe access(path, X_OK) == 0
        else { return nil }
        return path
    }
}
