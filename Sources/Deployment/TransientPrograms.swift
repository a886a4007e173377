import Synchronization

/// Programs that certctl talks to, as transient units.
extension TransientUnits: ProgramLauncher {
    package var isOutside: Bool { true }

    package func launch(_ command: Command, confinement: Confinement?, limit: Duration) -> LaunchedCommand {
        let unit = newUnit()
        // A failed unit need not be kept for inspection: its output is with the failure.
        let properties =
            ["CollectMode=inactive-or-failed"]
            + (confinement.map { TransientUnits.properties($0, unit: unit.name) } ?? [])
        let client = client(unit.name, command, limit, properties, isConfined: confinement != nil)
        return LaunchedCommand(
            client, end: { await end(unit) },
            ended: { unit.clientHasEnded.store(true, ordering: .releasing) })
    }

    /// What systemd takes away from a program that has to reach its credentials and the network, and nothing else: the user is
    /// one that owns no file, /tmp is its own, and nothing is writable besides.
    private static func properties(_ confinement: Confinement, unit: String) -> [String] {
        [
            "DynamicUser=yes", "PrivateTmp=yes", "ProtectSystem=strict", "ProtectHome=read-only", "PrivateDevices=yes",
            "ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectControlGroups=yes", "NoNewPrivileges=yes",
            "CapabilityBoundingSet=", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
            // certctl's own directory may be one that this user cannot enter.
            "WorkingDirectory=/", "UMask=0077", "RuntimeDirectory=\(unit.dropLast(".service".count))",
            "RuntimeDirectoryMode=0700",
        ] + confinement.credentials.map { "ExecStartPre=+\(copy(of: $0))" }
            + confinement.hidden.map { "InaccessiblePaths=-\($0)" }
    }

    /// The command, run with all rights and outside of the confinement, that gives the program a copy of a file.
    ///
    /// `LoadCredential=` is made for this, and leaves the directory empty where systemd may not mount it, as in containers.
    private static func copy(of credential: Confinement.Credential) -> String {
        let test = credential.isOptional ? "[ -e \"$1\" ] || exit 0; " : ""
        let script =
            test + "install -m 400 -- \"$1\" \"$RUNTIME_DIRECTORY/$0\" && "
            + "chown --reference=\"$RUNTIME_DIRECTORY\" -- \"$RUNTIME_DIRECTORY/$0\""
        // Specifiers are not looked at in a property.
        return ["/bin/sh", "-c", script, credential.name, credential.path]
            .map { UnitSyntax.quoted($0, doubling: ["$"]) }.joined(separator: " ")
    }
}
