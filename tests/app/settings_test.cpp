#include "app/settings/settings.h"

#include <QFile>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

using namespace app;

class SettingsTest : public QObject {
    Q_OBJECT
    QTemporaryDir folder_;
    QString file() const { return folder_.filePath("alcove.ini"); }

  private Q_SLOTS:
    void init() { QFile::remove(file()); }

    void startWithDefaults() {
        const Settings settings(file());
        QCOMPARE(settings.theme(), ThemeChoice::System);
        QVERIFY(settings.sendOnEnter());
        QCOMPARE(settings.modelOptions(), ModelOptions());
        QCOMPARE(settings.sampling(), SamplingSettings());
        QCOMPARE(settings.whenFull(), WhenFull::LeaveOutOldest);
        QCOMPARE(settings.lastConversation(), ConversationId(0));
    }

    void everythingIsThereAtTheNextStart() {
        SamplingSettings sampling{0.5, 3, 0.25, 0.125, 1.5, 0.75, 12, quint64(-1), 99, {"a\nb", "ü"}};
        {
            Settings settings(file());
            settings.setTheme(ThemeChoice::Dark);
            settings.setSendOnEnter(false);
            settings.setModelOptions({"/m/ä b.gguf", "cpu", 3, 4096, "q8_0", {}, 5, false, 7});
            settings.setWhenFull(WhenFull::Stop);
            settings.setSampling(sampling);
            settings.setSystemPrompt("Line one\nline \"two\"");
            settings.setLastConversation(1234567890123456789);
            settings.setWindowState("geometry", QByteArray("\0\1\xFF", 3));
        }
        const Settings settings(file());
        QCOMPARE(settings.theme(), ThemeChoice::Dark);
        QVERIFY(!settings.sendOnEnter());
        QCOMPARE(settings.modelOptions(),
                 (ModelOptions{"/m/ä b.gguf", "cpu", 3, 4096, "q8_0", {}, 5, false, 7}));
        QCOMPARE(settings.whenFull(), WhenFull::Stop);
        QCOMPARE(settings.sampling(), sampling);
        QCOMPARE(settings.systemPrompt(), QString("Line one\nline \"two\""));
        QCOMPARE(settings.lastConversation(), ConversationId(1234567890123456789));
        QCOMPARE(settings.windowState("geometry"), QByteArray("\0\1\xFF", 3));
    }

    void eachModelKeepsTheOneThatGuessesAheadForIt() {
        {
            Settings settings(file());
            settings.setModelOptions({"/m/big/a.gguf", "cpu", 0, 0, "f16"});
            settings.setDraftFor("/m/big/a.gguf", "/m/ü/small.gguf");
            settings.setDraftFor("/m/b.gguf", "/m/other.gguf");
            settings.setDraftFor("/m/b.gguf", {});
        }
        const Settings settings(file());
        QCOMPARE(settings.draftFor("/m/big/a.gguf"), QString("/m/ü/small.gguf"));
        QCOMPARE(settings.modelOptions().draftPath, QString("/m/ü/small.gguf"));
        QCOMPARE(settings.draftFor("/m/b.gguf"), QString());
    }

    void nonsenseInTheFileReadsAsDefaults() {
        QFile ini(file());
        QVERIFY(ini.open(QIODevice::WriteOnly));
        ini.write(
            "[General]\ntheme=pink\nsampling={broken\n[model]\ndevice=abacus\nthreads=-5\ncontext=many\n"
            "kvType=q3\n[window]\nconversation=last\n");
        ini.close();
        const Settings settings(file());
        QCOMPARE(settings.theme(), ThemeChoice::System);
        QCOMPARE(settings.sampling(), SamplingSettings());
        QCOMPARE(settings.modelOptions(), ModelOptions());
        QCOMPARE(settings.lastConversation(), ConversationId(0));
    }

    void changesAreSaidOnceAndOnlyWhenTheyAreOne() {
        Settings settings(file());
        QSignalSpy changed(&settings, &Settings::changed);
        settings.setTheme(ThemeChoice::Light);
        settings.setTheme(ThemeChoice::Light);
        QCOMPARE(changed.size(), 1);
        settings.setWindowState("geometry", "g");
        settings.setLastConversation(5);
        QCOMPARE(changed.size(), 1);
    }
};

QTEST_GUILESS_MAIN(SettingsTest)
#include "settings_test.moc"
