import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;

/**
 * Asks for a model as the app in the field does (wire.md, 4), with its HTTP library. {@code java Model <server> <Android id>} prints, a line
 * each and separated by tabs: what the check says; the name, the extension and the SHA-256 of the model's file; those of its settings.
 */
public final class Model {
    private static final OkHttpClient CLIENT = new OkHttpClient();
    private static final PrintStream OUT = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    private Model() {}

    public static void main(String[] args) throws IOException, NoSuchAlgorithmException {
        try (Response response = get(args, "check/latest")) {
            OUT.println(response.body().string());
        }
        fetch(args, "get/latest");
        fetch(args, "get/settings");
        CLIENT.dispatcher().executorService().shutdown();
        CLIENT.connectionPool().evictAll();
    }

    private static void fetch(String[] args, String what) throws IOException, NoSuchAlgorithmException {
        try (Response response = get(args, what)) {
            // The name is all that stands behind the sign, and the extension all behind its last dot.
            String disposition = response.header("content-disposition");
            String name = disposition.substring(disposition.indexOf("filename=") + "filename=".length());
            String extension = name.substring(name.lastIndexOf('.') + 1);
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(response.body().bytes());
            OUT.println(name + "\t" + extension + "\t" + String.format("%064x", new BigInteger(1, digest)));
        }
    }

    private static Response get(String[] args, String what) throws IOException {
        Request request = new Request.Builder().url(args[0] + "/tfmodel/" + what + "/?androidid=" + args[1]).build();
        Response response = CLIENT.newCall(request).execute();
        if (!response.isSuccessful()) {
            throw new IOException(response.toString());
        }
        return response;
    }
}
