import java.nio.file.Files;
import java.nio.file.Path;
import org.neo4j.cli.AdminTool;
import org.neo4j.cli.ExecutionContext;
import org.neo4j.dbms.api.DatabaseManagementServiceBuilder;

/**
 * Runs Neo4j Community with its Bolt server and stops it cleanly on SIGTERM.
 * Arguments: home folder, configuration folder. Standard input: the password of the user neo4j, used on the first start.
 */
public class Neo4jServer {
    public static void main(String[] args) throws Exception {
        var home = Path.of(args[0]);
        var configuration = Path.of(args[1]);
        if (!Files.exists(home.resolve("data/databases/system"))) {
            setPassword(home, configuration, new String(System.in.readAllBytes()).strip());
        }
        var server = new DatabaseManagementServiceBuilder(home)
                .loadPropertiesFromFile(configuration.resolve("neo4j.conf"))
                .build();
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdown));
        System.out.println("started " + server.listDatabases());
        Thread.currentThread().join();
    }

    private static void setPassword(Path home, Path configuration, String password) {
        var code = AdminTool.execute(new ExecutionContext(home, configuration),
                "dbms", "set-initial-password", "--require-password-change=false", password);
        if (code != 0) {
            throw new IllegalStateException("could not set the first password, code " + code);
        }
    }
}
