import Lineages

/// Where a variable of the environment is set, as far as a file says so.
enum VariableOrigin {
    /// The files that a login, a shell or a service has its variables from.
    private static func files(home: String?) -> [String] {
        let directories = ["/etc/profile.d", "/etc/systemd/system/certctl.service.d"].flatMap { directory in
            ((try? FileSystem.entries(of: directory)) ?? []).sorted().map { "\(directory)/\($0)" }
        }
        let own = home.map { home in
            [".bashrc", ".bash_profile", ".profile", ".zshrc"].map { "\(home)/\($0)" }
        }
        return ["/etc/environment", "/etc/default/docker", "/etc/profile", "/etc/bash.bashrc"] + directories
            + (own ?? [])
    }

    /// `FILE:LINE` of the first one that assigns it; nil where none does, as for `export` in the shell at hand.
    static func place(of variable: String, home: String?) -> String? {
        for file in files(home: home) {
            guard let bytes = try? FileSystem.read(file) else { continue }
            let lines = String(decoding: bytes, as: UTF8.self).split(
                separator: "\n", omittingEmptySubsequences: false)
            let index = lines.firstIndex { line in
                let text = line.drop { $0 == " " || $0 == "\t" }
                return !text.hasPrefix("#") && text.contains("\(variable)=")
            }
            if let index { return "\(file):\(index + 1)" }
        }
        return nil
    }
}
