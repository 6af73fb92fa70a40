import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import okhttp3.HttpUrl;
import okhttp3.MediaType;
import okhttp3.MultipartBody;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;

/**
 * The app in the field, as far as a server can tell: one upload round with a real OkHttp and its defaults.
 *
 * <p>{@code java Watch <base url> <identifier> <folder>}: the folder holds a folder for each run. The token is kept in the
 * file {@code token}, a run's uuid in the run's file {@code uuid}. Files are sent in the order of their names. Whatever is
 * answered with a 2xx is deleted; anything else ends the round.
 *
 * <p>Prints a line for each step: {@code sent}, method and address for each request that goes out on the wire, also those that
 * OkHttp makes by itself; then {@code handshake}, {@code dataset} or {@code upload} with the status and the body, separated
 * by tabs. The status is 0 where no answer came.
 */
public final class Watch {
    private static final int POLL_MILLIS = 100;
    private static final int MOST_POLLS = 300;

    private final PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    private final OkHttpClient client;
    private final HttpUrl base;
    private final File folder;
    private String token;

    private Watch(String base, File folder) {
        this.base = HttpUrl.get(base);
        this.folder = folder;
        // A network interceptor sees each request on its way out, redirects and repetitions included.
        client = new OkHttpClient.Builder()
                .addNetworkInterceptor(chain -> {
                    out.println("sent\t" + chain.request().method() + "\t" + chain.request().url());
                    return chain.proceed(chain.request());
                })
                .build();
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        Watch watch = new Watch(args[0], new File(args[2]));
        if (watch.findToken(args[1])) {
            watch.round();
        }
        // Without this, idle connections would keep the process for five minutes.
        watch.client.connectionPool().evictAll();
        watch.client.dispatcher().executorService().shutdown();
    }

    /** Asks to be let in until it is granted. With a token from earlier it never asks again. */
    private boolean findToken(String identifier) throws IOException, InterruptedException {
        File kept = new File(folder, "token");
        HttpUrl url = base.newBuilder("/tokenauth/request/").addQueryParameter("identifier", identifier).build();
        for (int poll = 0; poll < MOST_POLLS && !kept.exists(); poll++) {
            Answer answer = call("handshake", new Request.Builder().url(url).build());
            if (answer.isSuccess() && "grant".equals(answer.field("status"))) {
                write(kept, answer.field("token"));
            } else {
                Thread.sleep(POLL_MILLIS);
            }
        }
        token = kept.exists() ? read(kept) : null;
        return token != null;
    }

    /** Uploads every file of every run, until one is refused. */
    private void round() throws IOException {
        for (File run : list(folder)) {
            if (run.isDirectory() && !uploadRun(run)) {
                return;
            }
        }
    }

    private boolean uploadRun(File run) throws IOException {
        File kept = new File(run, "uuid");
        if (!kept.exists()) {
            Answer answer = call("dataset", request(base.newBuilder("/recording/new/").build()).build());
            if (!answer.isSuccess()) {
                return false;
            }
            write(kept, answer.field("uuid"));
        }
        HttpUrl url = base.newBuilder("/recording/new/").addQueryParameter("uuid", read(kept)).build();
        for (File file : list(run)) {
            if (!file.equals(kept) && !upload(url, file)) {
                return false;
            }
        }
        return true;
    }

    /** Uploads a file, and deletes it on any 2xx, whatever the body says. */
    private boolean upload(HttpUrl url, File file) throws IOException {
        RequestBody body = new MultipartBody.Builder()
                .setType(MultipartBody.FORM)
                .addFormDataPart("file", file.getName(), RequestBody.create(MediaType.parse("application/octet-stream"), file))
                .build();
        Answer answer = call("upload", request(url).post(body).build());
        if (answer.isSuccess()) {
            Files.delete(file.toPath());
        }
        return answer.isSuccess();
    }

    private Request.Builder request(HttpUrl url) {
        return new Request.Builder().url(url).header("Authorization", "Bearer " + token);
    }

    private Answer call(String step, Request request) {
        Answer answer;
        try (Response response = client.newCall(request).execute()) {
            answer = new Answer(response.code(), response.body().string());
        } catch (IOException error) {
            answer = new Answer(0, error.toString());
        }
        out.println(step + "\t" + answer.code + "\t" + answer.body.replaceAll("\\s+", " "));
        return answer;
    }

    private static File[] list(File folder) {
        File[] files = folder.listFiles();
        Arrays.sort(files);
        return files;
    }

    private static String read(File file) throws IOException {
        return Files.readString(file.toPath()).trim();
    }

    private static void write(File file, String text) throws IOException {
        Files.writeString(file.toPath(), text);
    }

    /** What came back; the code is 0 where nothing did. */
    private static final class Answer {
        private final int code;
        private final String body;

        Answer(int code, String body) {
            this.code = code;
            this.body = body;
        }

        boolean isSuccess() {
            return code >= 200 && code < 300;
        }

        /** A text field of the JSON body. Those that the app reads hold nothing that would be escaped. */
        String field(String name) {
            Matcher matcher = Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"]*)\"").matcher(body);
            return matcher.find() ? matcher.group(1) : null;
        }
    }
}
