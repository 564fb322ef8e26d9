"""Texts that are no Unicode and do not say what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from glia.knowledge.parsing.encodings import guess
from glia.knowledge.parsing.parse import parse

JAPANESE = "東京都は日本の首都である。旅費は出張から三十日以内に精算してください。カタカナも読める。"
KOREAN = "서울특별시는 대한민국의 수도이다. 출장비는 출장이 끝난 날부터 삼십일 이내에 정산해야 합니다."
CHINESE = "北京市是中华人民共和国的首都。差旅费必须在出差结束后三十天内报销，否则不予受理。"
TAIWANESE = "臺北市是中華民國的首都。出差費用必須在三十天內報銷，否則不予受理。"
RUSSIAN = "Москва является столицей России. Командировочные расходы возмещаются в течение тридцати дней."
UKRAINIAN = "Київ є столицею України. Витрати на відрядження відшкодовуються протягом тридцяти днів, їх подають вчасно."
GREEK = "Η Αθήνα είναι η πρωτεύουσα της Ελλάδας. Τα έξοδα ταξιδιού καταβάλλονται εντός τριάντα ημερών."
ARABIC = "القاهرة هي عاصمة مصر وأكبر مدنها. يجب تقديم مصاريف السفر خلال ثلاثين يوما من انتهاء الرحلة."
HEBREW = "ירושלים היא בירת ישראל. יש להגיש את הוצאות הנסיעה תוך שלושים יום מסיום הנסיעה."
THAI = "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย ค่าเดินทางต้องเบิกภายในสามสิบวัน หลังจากการเดินทางสิ้นสุดลง"
GERMAN = "Größe und Übung: Die Reisekosten müssen innerhalb von dreißig Tagen eingereicht werden."
FRENCH = "Les frais de voyage sont remboursés dans les trente jours. Où l'été est très agréable, ça se fête."
SPANISH = "El niño comió mañana; ¿dónde está el café? Los gastos se pagarán en treinta días según la ley."
ICELANDIC = "Ísland er eyja í Norður-Atlantshafi. Þar býr fólk sem talar íslensku, og það er ágætt."
POLISH = "Koszty podróży służbowej należy rozliczyć w ciągu trzydziestu dni. Załóż źródło i gęś."
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy. Cestovní výdaje musí být vyúčtovány do třiceti dnů."
HUNGARIAN = "A magyar főváros Budapest. Az útiköltséget harminc napon belül kell elszámolni, különben elvész."
TURKISH = "İstanbul Türkiye'nin en kalabalık şehridir. Seyahat giderleri otuz gün içinde ödenir."
LITHUANIAN = "Vilnius yra Lietuvos sostinė ir didžiausias šalies miestas, išsidėstęs prie Neries žiočių."


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("shift_jis", JAPANESE),
        ("euc_jp", JAPANESE),
        ("euc_kr", KOREAN),
        ("gb18030", CHINESE),
        ("big5", TAIWANESE),
        ("cp1251", RUSSIAN),
        ("koi8_r", RUSSIAN),
        ("cp866", RUSSIAN),
        ("cp1251", UKRAINIAN),
        ("koi8_u", UKRAINIAN),
        ("cp1253", GREEK),
        ("cp1256", ARABIC),
        ("cp1255", HEBREW),
        ("cp874", THAI),
        ("cp1252", GERMAN),
        ("cp1252", FRENCH),
        ("cp1252", SPANISH),
        ("cp1252", ICELANDIC),
        ("cp1250", POLISH),
        ("iso8859_2", POLISH),
        ("cp1250", CZECH),
        ("iso8859_2", CZECH),
        ("iso8859_2", HUNGARIAN),
        ("cp1254", TURKISH),
        ("cp1257", LITHUANIAN),
        ("cp1252", "Straße"),
        ("cp1252", "A naïve “quote” – and £3."),
    ],
)
def test_a_text_is_read_as_it_was_written(encoding: str, text: str) -> None:
    data = text.encode(encoding)

    assert data.decode(guess(data)) == text


@pytest.mark.parametrize(("encoding", "text"), [("shift_jis", JAPANESE), ("cp1251", RUSSIAN), ("iso2022_jp", JAPANESE)])
async def test_files_without_a_word_about_their_encoding_are_read(tmp_path: Path, encoding: str, text: str) -> None:
    for name, content in (("a.txt", text), ("a.md", f"# {text}"), ("a.csv", f"a,b\n{text},1")):
        path = tmp_path / name
        path.write_bytes(content.encode(encoding))

        assert text in (await parse(path, file_name=name, media_type=None)).text


def test_a_long_text_is_told_by_its_start_and_no_letter_is_cut_in_two() -> None:
    data = (JAPANESE + "\n").encode("shift_jis") * 5000

    assert data.decode(guess(data)).startswith(JAPANESE)
    assert guess(b"\xe9") == guess(b"") == "cp1252"
