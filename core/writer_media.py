"""The `add_*` methods for pictures, moving pictures and sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .adds import Adds
from .summary import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .summary import Summary

__all__ = ["MediaAdds"]


class MediaAdds(Adds):
    """Pictures, figures, videos and sounds. Arrays are copied at the call and encoded on the background thread."""

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
        *,
        step: int | None = None,
    ) -> None:
        """Logs a picture, as a PNG.

        Args:
            tag: its name.
            img_tensor: [C, H, W] of any library, or a PIL image. Floats from 0 to 1; uint8 (and other integers, where
                any is above 1) from 0 to 255; uint16 from 0 to 65535, kept in 16 bits. What is beyond is clipped, NaN
                is black. 1 channel is grey, 2 grey and alpha, 3 RGB, 4 RGBA.
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            dataformats: what each axis is: any order of the letters of HW, CHW or NCHW. A PIL image has its own.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: rank, layout, channels or type do not fit, there are no pixels, or the tag or step is none.
        """
        from .media import image

        self._put(image(tag, img_tensor, dataformats), "add_image", global_step, step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
        *,
        step: int | None = None,
    ) -> None:
        """Logs a batch of pictures as one, in a grid of up to 8 columns.

        Args:
            tag: its name.
            img_tensor: [N, C, H, W], or a list of pictures of one size; otherwise as in `add_image`.
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            dataformats: what each axis is: any order of the letters of NCHW (of CHW for the pictures of a list).
            step: short name for `global_step`.

        Raises:
            InvalidSummary: as `add_image`.
        """
        from .media import image

        self._put(image(tag, img_tensor, dataformats, "add_images"), "add_images", global_step, step, walltime)

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        rescale: float | str = 1,
        dataformats: str | Sequence[str] | None = "CHW",
        labels: Sequence[str] | str | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs a picture with red boxes drawn into it; needs Pillow.

        Args:
            tag: its name.
            img_tensor: the picture, as in `add_image`.
            box_tensor: [N, 4], a row (xmin, ymin, xmax, ymax) in pixels for each box; N may be 0.
            global_step: the step, an integer; 0 when absent.
            walltime: seconds since 1970; now when absent.
            rescale: the picture's size is multiplied by it after drawing. A string here is `dataformats`, and what
                follows `labels`: tensorboardX's order.
            dataformats: as in `add_image`.
            labels: a text for each box, written in its lower left corner.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: as `add_image`; or the boxes or the number of labels do not fit.
            MissingDependency: Pillow is not installed.
        """
        from .media import boxes

        if isinstance(rescale, str):
            labels = labels if dataformats == "CHW" else dataformats
            rescale, dataformats = 1, rescale
        summary = boxes(tag, img_tensor, box_tensor, rescale, dataformats, labels)
        self._put(summary, "add_image_with_boxes", global_step, step, walltime)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
        *,
        step: int | None = None,
    ) -> None:
        """Logs a figure: matplotlib's as a picture, Plotly's as its JSON, others as HTML.

        TensorBoard has no dashboard for Plotly and HTML; a text under `<tag>/text_summary` says there what it is.

        Args:
            tag: its name.
            figure: a matplotlib figure (or axes), or a list of them for a grid; a Plotly figure; a string of HTML; or
                an object with `_repr_html_`, as Altair, Bokeh, Folium and pandas have.
            global_step: the step, an integer; 0 when absent.
            close: tell pyplot to forget matplotlib's figures.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: it is none of these, or the tag or step is none.
        """
        from .markup import page

        summaries = page(tag, figure)
        if summaries is None:
            from .media import figures

            summaries = [figures(tag, figure, close)]
        self._put_all(summaries, "add_figure", global_step, step, walltime)

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: int | None = None,
        fps: float = 4,
        walltime: float | None = None,
        dataformats: str = "NTCHW",
        *,
        step: int | None = None,
    ) -> None:
        """Logs a video: an array as an animated GIF, which needs Pillow; a file as it is.

        TensorBoard plays GIFs among its images. An MP4 or WebM is kept whole for tallyboard's page, and a text under
        `<tag>/text_summary` says so.

        Args:
            tag: its name.
            vid_tensor: [N, T, C, H, W] of any library, N videos of T frames side by side, floats from 0 to 1 or uint8;
                or an MP4, WebM or GIF, as bytes or a path (a string or `os.PathLike`), read at the call.
            global_step: the step, an integer; 0 when absent.
            fps: frames a second of an array; a GIF shows at most 50, so that more is played at 50.
            walltime: seconds since 1970; now when absent.
            dataformats: what each axis is: any order of the letters of NTCHW or TCHW.
            step: short name for `global_step`.

        Raises:
            InvalidSummary: rank, layout, channels, type or fps do not fit, or the file is missing or of another kind.
            MissingDependency: an array, and Pillow is not installed.
        """
        from .video import video

        self._put_all(video(tag, vid_tensor, fps, dataformats), "add_video", global_step, step, walltime)

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: int | None = None,
        sample_rate: float = 44100,
        walltime: float | None = None,
        *,
        step: int | None = None,
        dataformats: str | None = None,
    ) -> None:
        """Logs a sound of any number of channels, as a WAV of 16 bits.

        Args:
            tag: its name.
            snd_tensor: [L] samples, or [L, C] or [C, L] of C channels, at most 32. Floats from -1 to 1, what is beyond
                clipped, NaN silent; or PCM of int16, int32, int8 or uint8.
            global_step: the step, an integer; 0 when absent.
            sample_rate: samples a second of each channel.
            walltime: seconds since 1970; now when absent.
            step: short name for `global_step`.
            dataformats: "LC" or "CL"; by default the shorter axis is the channels (the last one of two equal ones).

        Raises:
            InvalidSummary: no samples, too many channels, numbers whose scale is not known, or the tag or step is none.
        """
        from .sound import audio

        self._put(audio(tag, snd_tensor, sample_rate, dataformats), "add_audio", global_step, step, walltime)

    def _put_all(self, summaries: Sequence[Summary], call: str, global_step: Any, step: Any, walltime: Any) -> None:
        """Writes the summaries of one call, at one step and time."""
        number, wall_time = self._when(call, summaries[0].tag, global_step, step, walltime)
        for summary in summaries:
            self.write(Event(number, wall_time, summary))
