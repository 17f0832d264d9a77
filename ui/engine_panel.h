#pragma once

#include <QDialog>
#include <QHash>

#include "app/chat/chat_engine.h"

class QGridLayout;
class QLabel;

namespace ui {

/// What the engine holds and how fast it is, as long as it is open: blocks of keys and values in every place
/// where they are kept, what the prefix cache saved, and the times people wait.
class EnginePanel : public QDialog {
    Q_OBJECT
  public:
    enum class Figure {
        Device,
        Running,
        BlocksUsed,
        BlocksFree,
        BlocksCached,
        HostBlocks,
        DiskBlocks,
        HitRate,
        TokensSaved,
        QueueTime,
        FirstToken,
        BetweenTokens,
        BetweenTokensSlow,
        Speed,
        Moved,
        Preempted
    };

    /// @param engine  outlives the panel
    explicit EnginePanel(const app::ChatEngine& engine, QWidget* parent = nullptr);

    QString value(Figure figure) const;  ///< as shown

  private:
    void addRow(Figure figure, const QString& name, const QString& help);
    void refresh();

    const app::ChatEngine& engine_;
    QGridLayout* grid_;
    QHash<int, QLabel*> values_;
};

}  // namespace ui
