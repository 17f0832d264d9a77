#include <QComboBox>
#include <QDir>
#include <QFile>
#include <QListWidget>
#include <QSignalSpy>

#include "tests/engine/support/tiny_chat_model.h"
#include "tests/ui/support/program.h"
#include "ui/model_picker.h"

using ui::testing::kPatience;

class ModelPickerTest : public ui::testing::ProgramTest {
    Q_OBJECT

  private Q_SLOTS:
    void thePickerOffersSmallerModelsOfTheSameVocabularyAsDrafts() {
        engine::testing::TinyModel shape = engine::testing::tinyChatShape();
        shape.layers = 8;
        shape.feedForward *= 4;
        const engine::testing::TinyChatModel large(shape), small;
        const QString models = program_->application->modelsFolder();
        QVERIFY(QDir().mkpath(models));
        const QString target = models + QStringLiteral("/large.gguf"),
                      draft = models + QStringLiteral("/small.gguf");
        QVERIFY(QFile::copy(QString::fromStdString(large.path().string()), target));
        QVERIFY(QFile::copy(QString::fromStdString(small.path().string()), draft));
        const ui::ModelPicker* picker = program_->window->findChild<ui::ModelPicker*>();
        QComboBox* drafts = picker->popup()->drafts();
        QVERIFY(drafts->isHidden());
        program_->application->models().scan();
        QTRY_COMPARE_WITH_TIMEOUT(program_->application->models().models().size(), 2, kPatience);
        program_->application->useModel(target);
        picker->popup()->openBelow(*picker);
        QVERIFY(!drafts->isHidden());
        QCOMPARE(drafts->count(), 2);
        QCOMPARE(drafts->currentIndex(), 0);
        drafts->setCurrentIndex(1);
        Q_EMIT drafts->activated(1);
        QCOMPARE(program_->engine->model().draftPath, draft);
        QCOMPARE(program_->application->settings().draftFor(target), draft);
        // The reason why one was refused stands below the choice.
        app::ModelStatus status = program_->engine->model();
        status.draftPath.clear();
        status.draftProblem = QStringLiteral("the draft model does not fit");
        program_->engine->setModel(status);
        picker->popup()->openBelow(*picker);
        QCOMPARE(drafts->currentIndex(), 0);
        QCOMPARE(picker->popup()->draftProblem(), status.draftProblem);
        picker->popup()->close();
    }

    void theModelPickerSaysWhyAModelCannotBeUsed() {
        const QString models = program_->application->modelsFolder();
        QVERIFY(QDir().mkpath(models));
        QFile file(models + QStringLiteral("/broken.gguf"));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write("not a model");
        file.close();
        QSignalSpy finished(&program_->application->models(), &app::ModelLibrary::scanFinished);
        program_->application->models().scan();
        QVERIFY(finished.wait(kPatience));
        const QListWidget* list = program_->window->modelPicker()->popup()->list();
        QCOMPARE(list->count(), 1);
        QVERIFY(!(list->item(0)->flags() & Qt::ItemIsSelectable));
        QVERIFY(!program_->application->models().models().first().problem.isEmpty());
        QVERIFY(list->item(0)
                    ->data(Qt::AccessibleTextRole)
                    .toString()
                    .contains(program_->application->models().models().first().problem));
    }

    void loadingProgressIsShown() {
        app::ModelStatus status = program_->engine->model();
        status.state = app::ModelState::Loading;
        status.name = QStringLiteral("Big");
        status.progress = 0.43;
        program_->engine->setModel(status);
        QVERIFY(program_->window->modelPicker()->accessibleName().contains(QStringLiteral("43 %")));
    }
};

int main(int argc, char** argv) {
    return ui::testing::run<ModelPickerTest>(argc, argv);
}

#include "model_picker_test.moc"
