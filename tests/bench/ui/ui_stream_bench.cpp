/// How long the event loop is held up while 300 tokens a second stream into a 200 kB conversation. A precise
/// 1 ms timer stands for everything else that wants the GUI thread: input, other windows, animations. What it
/// finds late is a gap. Prints the largest gap, the 99th percentile and how many exceeded 50 ms; exits with 1
/// if any did.

#include <QApplication>
#include <QElapsedTimer>
#include <QTemporaryDir>
#include <QTest>
#include <QTimer>
#include <algorithm>
#include <cstdio>
#include <vector>

#include "app/application.h"
#include "app/chat/scripted_engine.h"
#include "ui/composer.h"
#include "ui/main_window.h"
#include "ui/message_view.h"

namespace {

constexpr int kTokensPerSecond = 300;
constexpr int kHistoryBytes = 200'000;
constexpr double kLimitMillis = 50;

QString answerPart(int i) {
    return QStringLiteral(
               "## Part %1\n\nA paragraph with **bold** words, `code` and a [link](https://example.org) that "
               "goes on "
               "for a while so that it wraps over several lines of the column of text.\n\n- a first point\n- "
               "a second "
               "point with *stress*\n- a third\n\n```python\ndef part_%1(x):\n    # a comment\n    return [x "
               "* %1, "
               "\"text\"]\n```\n\n| name | value |\n|---|---:|\n| a | %1 |\n| b | 2 |\n\n> A quotation to "
               "end with.\n\n")
        .arg(i);
}

}  // namespace

int main(int argc, char** argv) {
    QApplication program(argc, argv);
    const int seconds = argc > 1 ? std::atoi(argv[1]) : 10;
    QTemporaryDir folder;
    app::Application::Options options;
    options.dataFolder = folder.path() + QStringLiteral("/data");
    options.configFolder = folder.path() + QStringLiteral("/config");
    options.otherPrograms = false;
    auto owned = std::make_unique<app::ScriptedEngine>();
    app::ScriptedEngine& engine = *owned;
    options.engine = std::move(owned);
    app::Application application(std::move(options));

    app::Conversation conversation;
    conversation.id = app::ConversationStore::newId();
    conversation.title = QStringLiteral("Long");
    conversation.created = conversation.updated = QDateTime::currentDateTimeUtc();
    QList<app::Message> messages;
    for (qsizetype bytes = 0, i = 0; bytes < kHistoryBytes; ++i) {
        app::Message message;
        message.id = app::ConversationStore::newId();
        message.conversation = conversation.id;
        message.parent = messages.isEmpty() ? 0 : messages.last().id;
        message.role = i % 2 == 0 ? app::Role::User : app::Role::Assistant;
        message.created = conversation.created;
        if (i % 2 == 0) {
            message.text = QStringLiteral("And part %1?").arg(i);
        } else {
            for (int part = 0; part < 8; ++part) message.text += answerPart(int(i) * 8 + part);
        }
        bytes += message.text.size();
        messages += message;
    }
    conversation.activeLeaf = messages.last().id;
    application.store().addTree(conversation, messages);
    application.store().flush();

    ui::MainWindow window(application);
    window.resize(1120, 780);
    window.show();
    window.openConversation(conversation.id);
    QTest::qWait(500);

    QString text;
    for (int i = 0; text.size() < kTokensPerSecond * 4 * (seconds + 5); ++i) text += answerPart(i);
    engine.setText(text);
    engine.setTokensPerSecond(kTokensPerSecond);

    std::vector<double> gaps;
    QElapsedTimer clock;
    qint64 last = 0;
    QTimer heartbeat;
    heartbeat.setTimerType(Qt::PreciseTimer);
    heartbeat.setInterval(1);
    QObject::connect(&heartbeat, &QTimer::timeout, &program, [&] {
        const qint64 now = clock.nsecsElapsed();
        gaps.push_back(double(now - last) / 1e6);
        last = now;
    });
    clock.start();
    heartbeat.start();
    const int paintsBefore = window.messageView()->paintCount();
    window.composer()->setText(QStringLiteral("Go on"));
    QTest::keyClick(window.composer()->edit(), Qt::Key_Return);
    QTest::qWait(seconds * 1000);
    heartbeat.stop();
    const int paints = window.messageView()->paintCount() - paintsBefore;
    const qsizetype written = window.session()->messageAt(window.session()->messageCount() - 1).text.size();
    window.session()->stop();
    QTest::qWait(50);

    std::sort(gaps.begin(), gaps.end());
    const double largest = gaps.back();
    const double p99 = gaps[size_t(double(gaps.size() - 1) * 0.99)];
    const auto over = std::count_if(gaps.begin(), gaps.end(), [](double gap) { return gap > kLimitMillis; });
    std::printf("conversation %d bytes, %lld characters streamed in %d s, %d paints\n", kHistoryBytes,
                static_cast<long long>(written), seconds, paints);
    std::printf("event-loop gaps of %zu: max %.1f ms, p99 %.1f ms, %lld over %.0f ms\n", gaps.size(), largest,
                p99, static_cast<long long>(over), kLimitMillis);
    return over == 0 ? 0 : 1;
}
